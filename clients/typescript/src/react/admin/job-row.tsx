import { useId, useState } from "react";

import type { AdminJob } from "../../next/admin-view.js";
import { Time } from "./time.js";
import { useSteps } from "./use-admin.js";

interface JobRowProps {
  url: string;
  job: AdminJob;
  /** Left out where it is not granted. */
  onCancel: (() => void) | undefined;
}

/** A job, and below it its steps once it is opened. */
export function JobRow({ url, job, onCancel }: JobRowProps) {
  const [isOpen, setIsOpen] = useState(false);
  const details = useId();
  return (
    <>
      <tr data-status={job.status}>
        <th scope="row">
          <button
            type="button"
            className="pinacle-admin-toggle"
            aria-expanded={isOpen}
            aria-controls={details}
            onClick={() => setIsOpen(!isOpen)}
          >
            {job.kind}
          </button>
        </th>
        <td>
          <code>{job.podId}</code>
        </td>
        <td>
          <span className="pinacle-admin-status">{job.status}</span>
          {job.finishedAt === null && job.step !== null && ` at ${job.step}`}
        </td>
        <td>
          {job.attempt} of {job.maxAttempts}
        </td>
        <td>{job.requestedBy ?? "–"}</td>
        <td>
          <Time at={job.createdAt} />
        </td>
        {onCancel && (
          <td>
            {job.finishedAt === null && (
              <button type="button" aria-label={`Cancel the ${job.kind} of ${job.podId}`} onClick={onCancel}>
                Cancel
              </button>
            )}
          </td>
        )}
      </tr>
      <tr id={details} hidden={!isOpen}>
        <td colSpan={onCancel ? 7 : 6}>{isOpen && <Steps url={url} job={job} />}</td>
      </tr>
    </>
  );
}

function Steps({ url, job }: { url: string; job: AdminJob }) {
  const { status, attempt, step, stepsDone } = job;
  const steps = useSteps(url, job.id, JSON.stringify([status, attempt, step, stepsDone]));
  // The step that failed says the same.
  const isToldByStep = steps?.some(({ error }) => error === job.lastError);
  return (
    <>
      {job.lastError !== null && !isToldByStep && <p className="pinacle-admin-reason">{job.lastError}</p>}
      {steps === null && <p>Looking …</p>}
      {steps?.length === 0 && <p>No step has begun.</p>}
      <ol className="pinacle-admin-steps">
        {steps?.map(({ position, name, status, attempt, error }) => (
          <li key={position} data-status={status}>
            {name}: <span className="pinacle-admin-status">{status}</span>
            {attempt > 1 && `, attempt ${attempt}`}
            {error !== null && <p className="pinacle-admin-reason">{error}</p>}
          </li>
        ))}
      </ol>
    </>
  );
}
