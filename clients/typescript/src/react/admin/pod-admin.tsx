import { FailedPods } from "./failed-pods.js";
import { Jobs } from "./jobs.js";
import { Servers } from "./servers.js";
import { useAdmin } from "./use-admin.js";

export interface PodAdminProps {
  /** Where `adminRoute` responds, such as `/api/admin`. */
  url: string;
}

/** The admin's page: failed pods, jobs and servers. It has the buttons of what the server grants, and no others. */
export function PodAdmin({ url }: PodAdminProps) {
  const { view, failure, outcome, act } = useAdmin(url);
  return (
    <div className="pinacle-admin">
      <p className="pinacle-admin-outcome" role="status">
        {outcome}
      </p>
      {failure !== null && <p role="alert">{failure}</p>}
      {view === null && failure === null && <p>Looking …</p>}
      {view && (
        <>
          <FailedPods view={view} act={act} />
          <Jobs url={url} view={view} act={act} />
          <Servers servers={view.servers} />
        </>
      )}
    </div>
  );
}
