import { useId } from "react";

import type { AdminJob, AdminView } from "../../next/admin-view.js";
import { JobRow } from "./job-row.js";
import { Table } from "./table.js";
import type { Admin } from "./use-admin.js";

const COLUMNS = ["Job", "Pod", "Status", "Attempt", "Asked by", "Enqueued", "Action"];

/** The newest jobs; each opens to its steps. */
export function Jobs({ url, view, act }: { url: string; view: AdminView; act: Admin["act"] }) {
  const heading = useId();
  const mayCancel = view.granted.includes("cancel");
  const cancel = ({ id, kind }: AdminJob) =>
    act({ action: "cancel", jobId: id }, ({ cancelled }) =>
      cancelled ? `The ${kind} is cancelled.` : `The ${kind} had finished.`,
    );
  return (
    <section aria-labelledby={heading}>
      <h2 id={heading}>Jobs</h2>
      {view.jobs.length === 0 && <p>None.</p>}
      {view.jobs.length > 0 && (
        <Table columns={COLUMNS.filter((name) => mayCancel || name !== "Action")}>
          {view.jobs.map((job) => (
            <JobRow key={job.id} url={url} job={job} onCancel={mayCancel ? () => void cancel(job) : undefined} />
          ))}
        </Table>
      )}
    </section>
  );
}
