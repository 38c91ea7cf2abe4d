export { type AdminAction, type AdminAuthorize, type AdminGrant, type AdminOptions, adminRoute } from "./admin.js";
export type { AdminFilter, AdminJob, AdminPod, AdminRequest, AdminServer, AdminView } from "./admin-view.js";
export { podRoute, type PodRouteContext } from "./route.js";
export { type Authorize, podStream, type PodStreamOptions } from "./stream.js";
