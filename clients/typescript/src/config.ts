import { validate } from "./config-check.js";
import { type ConfigProblem, InvalidConfig } from "./errors.js";
import type { PodConfig } from "./generated/pod-config.js";

/** What of a config the worker would refuse by its JSON Schema; empty where it takes it. */
export function configProblems(config: unknown): ConfigProblem[] {
  if (validate(config)) return [];
  // Of several branches, each tells why it is not taken; what they want of one place is one problem.
  const types = new Map<string, string[]>();
  const problems: ConfigProblem[] = [];
  for (const { instancePath, keyword, message, params } of validate.errors ?? []) {
    if (keyword === "type") types.set(instancePath, [...(types.get(instancePath) ?? []), ...[params["type"]].flat().map(String)]);
    else if (keyword === "additionalProperties") {
      problems.push({ path: path(instancePath, String(params["additionalProperty"])), message: unknownKey(instancePath) });
    } else if (keyword !== "anyOf") problems.push({ path: path(instancePath), message: describe(message, keyword, params) });
  }
  for (const [at, wanted] of types) {
    const names = [...new Set(wanted)].filter((type) => type !== "null");
    if (names.length > 0) problems.push({ path: path(at), message: `must be ${names.join(" or ")}` });
  }
  return problems;
}

/** @throws {@link InvalidConfig}, with every problem and its path. */
export function checkConfig(config: unknown): asserts config is PodConfig {
  const problems = configProblems(config);
  if (problems.length === 0) return;
  const told = problems.map(({ path, message }) => (path ? `${path} ${message}` : `it ${message}`));
  throw new InvalidConfig(`The pod's config can't be used: ${[...new Set(told)].join("; ")}.`, problems);
}

function unknownKey(of: string): string {
  return of === "/environment" ? "is not the name of an environment variable" : "is not a key of a pod's config";
}

function describe(message: string | undefined, keyword: string, params: Record<string, unknown>): string {
  if (keyword !== "enum") return message ?? "is not allowed";
  const values = (params["allowedValues"] as unknown[]).filter((value) => value !== null);
  return `must be one of ${values.join(", ")}`;
}

// A JSON pointer as people write a path.
function path(pointer: string, last?: string): string {
  const keys = pointer.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (last !== undefined) keys.push(last);
  return keys.reduce((path, key) => (/^\d+$/.test(key) ? `${path}[${key}]` : path ? `${path}.${key}` : key), "");
}
