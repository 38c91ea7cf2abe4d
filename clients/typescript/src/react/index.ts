"use client";

export { PodAdmin, type PodAdminProps } from "./admin/pod-admin.js";
export type { Connection } from "./connect.js";
export { PodProgress, type PodProgressProps } from "./pod-progress.js";
export { PodTerminal, type PodTerminalProps } from "./pod-terminal.js";
export type { JobState, PodState } from "./state.js";
export type { OnLogEvent } from "./stream.js";
export { usePod, usePodLog } from "./use-pod.js";
