export interface User {
  id: string;
  name: string;
  isAdmin: boolean;
}

/** Anybody may be any of them: this app shows pods, not accounts. */
export const users: readonly User[] = [
  { id: "user_ada", name: "Ada", isAdmin: false },
  { id: "user_ben", name: "Ben", isAdmin: false },
  { id: "user_admin", name: "Admin", isAdmin: true },
];
