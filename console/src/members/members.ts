import { useQuery } from "@tanstack/react-query";

import { all, api, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";

export type Member = Schema<"Member">;
export type Role = Schema<"Role">;

const MEMBERS = "/client/v4/accounts/{account}/members";
const ONE = "/client/v4/accounts/{account}/members/{member}";

export function useMembers(account: string) {
  return useQuery({
    queryKey: key(account, "members"),
    queryFn: () => all((query) => api.GET(MEMBERS, { params: { path: { account }, query } })),
  });
}

export function useRoles(account: string) {
  return useQuery({
    queryKey: key(account, "members", "roles"),
    queryFn: () => result(api.GET("/client/v4/accounts/{account}/roles", { params: { path: { account } } })),
    staleTime: Infinity,
  });
}

async function after<T>(account: string, call: Promise<T>): Promise<T> {
  const made = await call;
  await queries.invalidateQueries({ queryKey: key(account, "members") });
  return made;
}

export function invite(account: string, email: string, role: string) {
  return after(account, result(api.POST(MEMBERS, { params: { path: { account } }, body: { email, roles: [role] } })));
}

export function change(account: string, member: string, role: string) {
  const params = { path: { account, member } };
  return after(account, result(api.PUT(ONE, { params, body: { roles: [{ id: role }] } })));
}

export function remove(account: string, member: string) {
  return after(account, result(api.DELETE(ONE, { params: { path: { account, member } } })));
}
