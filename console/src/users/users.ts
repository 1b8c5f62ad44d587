import { api, body, type Schema } from "../api/client";
import { queries } from "../api/query";

export type User = Schema<"SigninUser">;

const USERS = ["installation", "users"] as const;

/** Everybody; a page has a thousand at most. */
export const usersQuery = {
  queryKey: USERS,
  queryFn: async (): Promise<User[]> => {
    const users: User[] = [];
    for (let page = 1; ; page += 1) {
      const got = await body(api.GET("/api/users", { params: { query: { page, per_page: 1000 } } }));
      users.push(...got.users);
      if (got.users.length === 0 || users.length >= got.total) return users;
    }
  },
};

export type State = "active" | "invited" | "suspended" | "idle";

export function stateOf(user: User): State {
  if (user.suspended) return "suspended";
  if (user.password || user.single_sign_on || user.passkeys > 0) return "active";
  return user.invited ? "invited" : "idle";
}

export async function usersChanged(): Promise<void> {
  await queries.invalidateQueries({ queryKey: USERS });
}
