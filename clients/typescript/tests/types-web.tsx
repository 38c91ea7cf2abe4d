// As types.ts, for the parts for the web.
import { createFakeClient } from "@pinacle/client/testing";
import { adminRoute, podRoute } from "@pinacle/client/next";
import { PodAdmin, PodTerminal, usePod } from "@pinacle/client/react";

const { client } = createFakeClient();

// @ts-expect-error who may see a pod is not left open
podRoute({ client });
// @ts-expect-error it must say yes or no
podRoute({ client, authorize: () => "yes" });
// @ts-expect-error and who asks
adminRoute({ client, authorize: () => true });
// @ts-expect-error there is no such action
adminRoute({ client, authorize: (_, action) => (action === "delete" ? null : { requestedBy: "Root" }) });

export function Page() {
  const { pod } = usePod("/api/pods/pod_1/stream");
  // @ts-expect-error there is no such status
  if (pod?.status === "dead") return null;
  return (
    <>
      {/* @ts-expect-error the URL is missing */}
      <PodTerminal />
      {/* @ts-expect-error what is granted is the server's to say */}
      <PodAdmin url="/api/admin" granted={["cancel"]} />
    </>
  );
}
