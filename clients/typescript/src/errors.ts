/** What an error is about; stable, for a program to decide by. */
export type ErrorCode =
  | "NoSuchPod"
  | "NoSuchJob"
  | "NoSuchServer"
  | "PodExists"
  | "SlugTaken"
  | "NotFailed"
  | "InvalidConfig"
  | "InvalidInput"
  | "NotAllowed"
  | "NotMigrated"
  | "TimedOut";

/** Every error that the client itself raises. Its message is a sentence that may be shown to the user. */
export class PinacleError extends Error {
  override readonly name: string = "PinacleError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

function errorClass<Code extends ErrorCode>(code: Code) {
  return class extends PinacleError {
    override readonly name = code;
    declare readonly code: Code;

    constructor(message: string, options?: ErrorOptions) {
      super(code, message, options);
    }
  };
}

/** There is no pod with this id. */
export class NoSuchPod extends errorClass("NoSuchPod") {}
/** There is no job with this id. */
export class NoSuchJob extends errorClass("NoSuchJob") {}
/** There is no server with this id. */
export class NoSuchServer extends errorClass("NoSuchServer") {}
/** Another pod has this id. */
export class PodExists extends errorClass("PodExists") {}
/** A pod that is not destroyed has this slug. */
export class SlugTaken extends errorClass("SlugTaken") {}
/** The pod is not `failed`, so it can't be requeued. */
export class NotFailed extends errorClass("NotFailed") {}
/** The database refuses a value, such as a slug that can't be a part of a hostname. */
export class InvalidInput extends errorClass("InvalidInput") {}
/** The database role lacks a right. */
export class NotAllowed extends errorClass("NotAllowed") {}
/** The schema `pinacle` is missing, or older than this client. */
export class NotMigrated extends errorClass("NotMigrated") {}
/** What was waited for did not happen in time. */
export class TimedOut extends errorClass("TimedOut") {}

/** A part of a config that the worker would refuse. */
export interface ConfigProblem {
  /** Where, such as `ports[0].internal`; empty for the whole config. */
  path: string;
  message: string;
}

/** The config is not a PodConfig. */
export class InvalidConfig extends errorClass("InvalidConfig") {
  constructor(
    message: string,
    readonly problems: ConfigProblem[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
