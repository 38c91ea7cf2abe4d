import { useId } from "react";

import type { AdminServer } from "../../next/admin-view.js";
import { Table } from "./table.js";
import { Time } from "./time.js";

const MB_PER_GB = 1024;

/** The pod hosts, and how much of them is taken. */
export function Servers({ servers }: { servers: readonly AdminServer[] }) {
  const heading = useId();
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>Servers</h2>
      {servers.length === 0 && <p>None.</p>}
      {servers.length > 0 && (
        <Table columns={["Server", "Status", "Pods", "CPU cores", "Memory", "Disk", "Last heard of"]}>
          {servers.map((server) => (
            <tr key={server.id} data-status={server.status}>
              <th scope="row">{server.name}</th>
              <td>{server.status}</td>
              <td>{server.livePods}</td>
              <Room name="CPU cores" taken={server.reservedCpuCores} of={server.cpuCores} unit="" />
              <Room name="memory" taken={server.reservedMemoryMb / MB_PER_GB} of={server.memoryMb / MB_PER_GB} unit=" GB" />
              <Room name="disk" taken={server.reservedDiskGb} of={server.diskGb} unit=" GB" />
              <td>
                <Time at={server.lastHeartbeatAt} />
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function Room({ name, taken, of, unit }: { name: string; taken: number; of: number; unit: string }) {
  const text = `${rounded(taken)} of ${rounded(of)}${unit}`;
  return (
    <td>
      <meter min={0} max={of} value={taken} aria-label={`Taken ${name}`}>
        {text}
      </meter>{" "}
      {text}
    </td>
  );
}

function rounded(value: number): string {
  return String(Math.round(value * 10) / 10);
}
