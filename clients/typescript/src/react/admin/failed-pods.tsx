import { useId, useState } from "react";

import type { AdminFilter, AdminPod, AdminView } from "../../next/admin-view.js";
import { Confirm } from "./confirm.js";
import { Table } from "./table.js";
import { Time } from "./time.js";
import type { Admin } from "./use-admin.js";

/** The pods that failed, and why; the button of each, and that of all which the filter matches. */
export function FailedPods({ view, act }: { view: AdminView; act: Admin["act"] }) {
  const [filter, setFilter] = useState<AdminFilter>({});
  const [isAsking, setIsAsking] = useState(false);
  const heading = useId();
  const { failedPods, granted, hasMoreFailed } = view;
  const matching = failedPods.filter((pod) => matches(pod, filter));
  const count = `${hasMoreFailed ? "at least " : ""}${matching.length === 1 ? "1 pod" : `${matching.length} pods`}`;
  const requeueAll = () => {
    setIsAsking(false);
    void act({ action: "requeueFailed", filter }, ({ requeued }) => `Requeued: ${String(requeued)}.`);
  };
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>Failed pods</h2>
      {failedPods.length === 0 ? (
        <p>None.</p>
      ) : (
        <>
          <div className="pinacle-admin-tools">
            <Choice name="Owner" of={failedPods} field="ownerId" filter={filter} onChange={setFilter} />
            <Choice name="Server" of={failedPods} field="serverId" filter={filter} onChange={setFilter} />
            {granted.includes("requeueFailed") && matching.length > 0 && (
              <button type="button" onClick={() => setIsAsking(true)}>
                Requeue {count} …
              </button>
            )}
          </div>
          <Table columns={["Pod", "Owner", "Reason", "Since", ...(granted.includes("requeue") ? ["Action"] : [])]}>
            {matching.map((pod) => (
              <tr key={pod.id}>
                <th scope="row">
                  {pod.name} <code>{pod.slug}</code>
                </th>
                <td>{pod.ownerId ?? "–"}</td>
                <td className="pinacle-admin-reason">{pod.lastError ?? "–"}</td>
                <td>
                  <Time at={pod.updatedAt} />
                </td>
                {granted.includes("requeue") && (
                  <td>
                    <button
                      type="button"
                      aria-label={`Requeue ${pod.name}`}
                      onClick={() => void act({ action: "requeue", podId: pod.id }, () => `${pod.name} is requeued.`)}
                    >
                      Requeue
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </Table>
        </>
      )}
      {isAsking && (
        <Confirm question={`Requeue ${count}?`} yes={`Requeue ${count}`} onYes={requeueAll} onNo={() => setIsAsking(false)} />
      )}
    </section>
  );
}

interface ChoiceProps {
  name: string;
  of: readonly AdminPod[];
  field: keyof AdminFilter;
  filter: AdminFilter;
  onChange: (filter: AdminFilter) => void;
}

// One of the values that there are.
function Choice({ name, of, field, filter, onChange }: ChoiceProps) {
  const chosen = filter[field];
  // The chosen one stays to be seen when its last pod is gone.
  const values = new Set([...of.map((pod) => pod[field]), chosen].filter((value) => value !== null && value !== undefined));
  const choose = (value: string) => {
    const { [field]: _, ...others } = filter;
    onChange(value === "" ? others : { ...others, [field]: value });
  };
  return (
    <label>
      {name}{" "}
      <select value={chosen ?? ""} onChange={({ target }) => choose(target.value)}>
        <option value="">All</option>
        {[...values].sort().map((value) => (
          <option key={value}>{value}</option>
        ))}
      </select>
    </label>
  );
}

function matches(pod: AdminPod, { ownerId, serverId }: AdminFilter): boolean {
  return (ownerId === undefined || pod.ownerId === ownerId) && (serverId === undefined || pod.serverId === serverId);
}
