import type { Pod, PodConfig } from "@pinacle/client";

import { Field } from "@/components/field";
import { Submit } from "@/components/submit";

import { changeInstall } from "./actions";

/** Changes the command that most creates fail by. A requeue then goes on with the new one. */
export function ChangeInstall({ pod }: { pod: Pod }) {
  const { install } = pod.config as PodConfig;
  if (typeof install !== "string") return null;
  return (
    <form action={changeInstall.bind(null, pod.id)} className="inline">
      <Field defaultValue={install} key={install} label="Install command" name="install" required />
      <Submit>Save</Submit>
    </form>
  );
}
