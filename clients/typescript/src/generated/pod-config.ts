// Written by `npm run generate`; a change belongs in the migrations or in the worker's PodConfig.

/**
 * A reference to an image, such as `registry:5000/team/image:tag`.
 */
export type ImageName = string;
/**
 * The value of an environment variable.
 *
 * This interface was referenced by `undefined`'s JSON-Schema definition
 * via the `patternProperty` "^[A-Za-z_][A-Za-z0-9_]*$".
 */
export type EnvValue = string;
/**
 * A shell command, or a script of several lines.
 */
export type Script = string;
/**
 * The protocol of a port.
 */
export type Protocol = "tcp" | "udp";
/**
 * A name or an address, on one line.
 */
export type Label = string;
/**
 * The name of a branch.
 */
export type Branch = string;
/**
 * An address that git can clone from: `https://`, `http://`, `ssh://`, `git://`, `file:///` or
 * `user@host:path`.
 */
export type RepositoryUrl = string;

/**
 * What a pod is made from. All keys are optional.
 */
export interface PodConfig {
  /**
   * The image the pod's container is made from; `pinacledev/pinacle-base` if left out.
   */
  baseImage?: ImageName | null;
  /**
   * Environment variables of everything that runs in the pod.
   */
  environment?: {
    [k: string]: EnvValue;
  } | null;
  /**
   * Commands to run at certain moments of the pod's life.
   */
  hooks?: HooksConfig | null;
  /**
   * The command, or commands, that install what the project needs.
   */
  install?: (Script | Script[]) | null;
  /**
   * The ports that something in the pod listens on.
   *
   * @maxItems 50
   */
  ports?: PortConfig[] | null;
  /**
   * What runs in the pod besides the services.
   *
   * @maxItems 50
   */
  processes?: ProcessConfig[] | null;
  /**
   * The repository that is cloned into the pod.
   */
  repository?: RepositoryConfig | null;
  /**
   * The names of the services that run in the pod.
   *
   * @maxItems 50
   */
  services?: string[] | null;
  /**
   * The name of a template, which fills in what is left out here.
   */
  template?: string | null;
  /**
   * How much of the host the pod may use; `dev.small` if left out.
   */
  tier?: "dev.small" | "dev.medium" | "dev.large" | "dev.xlarge" | null;
}
/**
 * Commands to run at certain moments of the pod's life, in their order.
 */
export interface HooksConfig {
  /**
   * When the pod is healthy.
   *
   * @maxItems 50
   */
  postStart?: Script[] | null;
  /**
   * Before the services start.
   *
   * @maxItems 50
   */
  preStart?: Script[] | null;
}
/**
 * A port that something in the pod listens on.
 */
export interface PortConfig {
  /**
   * The number of the port inside the pod.
   */
  internal: number;
  /**
   * The port's name; no two ports of a pod have the same one.
   */
  name: string;
  /**
   * `tcp` if left out.
   */
  protocol?: Protocol | null;
}
/**
 * A process that is kept running in the pod.
 */
export interface ProcessConfig {
  /**
   * A command that succeeds when the process is healthy.
   */
  healthCheck?: Script | null;
  /**
   * No two processes have the same name.
   */
  name: string;
  /**
   * A shell command, or a script of several lines.
   */
  startCommand: string;
  /**
   * Where a browser finds it.
   */
  url?: Label | null;
}
/**
 * A repository. A deploy key does not belong here: it is a secret of the pod.
 */
export interface RepositoryConfig {
  /**
   * The branch to clone; the repository's own default if left out.
   */
  branch?: Branch | null;
  url: RepositoryUrl;
}
