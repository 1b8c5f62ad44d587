// Tokens of an account, or of the one who is signed in, under Cloudflare's endpoints.
import { useQuery } from "@tanstack/react-query";

import { all, api, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";

export type Token = Schema<"Token">;
export type NewToken = Schema<"NewToken">;
export type Policy = NewToken["policies"][number];
export type Group = { id: string; name: string; scopes: string[] };

/** Absent: one's own. */
export type Owner = string | undefined;

function keyOf(owner: Owner) {
  return owner === undefined ? (["me", "tokens"] as const) : key(owner, "tokens");
}

export function useTokens(owner: Owner) {
  return useQuery({
    queryKey: keyOf(owner),
    queryFn: () =>
      owner === undefined
        ? all((query) => api.GET("/client/v4/user/tokens", { params: { query } }))
        : all((query) => api.GET("/client/v4/accounts/{account}/tokens", { params: { path: { account: owner }, query } })),
  });
}

/** What rights there are to give, by Cloudflare's names. */
export function useGroups(owner: Owner) {
  return useQuery({
    queryKey: [...keyOf(owner), "groups"],
    queryFn: (): Promise<Group[]> => {
      if (owner === undefined) return result(api.GET("/client/v4/user/tokens/permission_groups"));
      const params = { path: { account: owner } };
      return result(api.GET("/client/v4/accounts/{account}/tokens/permission_groups", { params }));
    },
    staleTime: Infinity,
  });
}

async function after<T>(owner: Owner, call: Promise<T>): Promise<T> {
  const made = await call;
  await queries.invalidateQueries({ queryKey: keyOf(owner) });
  return made;
}

/** Gives the token itself, which nobody gives again. */
export async function create(owner: Owner, body: NewToken): Promise<string> {
  const call =
    owner === undefined
      ? result(api.POST("/client/v4/user/tokens", { body }))
      : result(api.POST("/client/v4/accounts/{account}/tokens", { params: { path: { account: owner } }, body }));
  return (await after(owner, call)).value;
}

export async function update(owner: Owner, token: string, body: NewToken): Promise<void> {
  const call =
    owner === undefined
      ? result(api.PUT("/client/v4/user/tokens/{token}", { params: { path: { token } }, body }))
      : result(
          api.PUT("/client/v4/accounts/{account}/tokens/{token}", { params: { path: { account: owner, token } }, body }),
        );
  await after(owner, call);
}

/** Gives it another value; the one before is good for nothing. */
export async function roll(owner: Owner, token: string): Promise<string> {
  const call =
    owner === undefined
      ? result(api.PUT("/client/v4/user/tokens/{token}/value", { params: { path: { token } }, body: {} }))
      : result(
          api.PUT("/client/v4/accounts/{account}/tokens/{token}/value", {
            params: { path: { account: owner, token } },
            body: {},
          }),
        );
  return after(owner, call);
}

export async function revoke(owner: Owner, token: string): Promise<void> {
  const call =
    owner === undefined
      ? result(api.DELETE("/client/v4/user/tokens/{token}", { params: { path: { token } } }))
      : result(api.DELETE("/client/v4/accounts/{account}/tokens/{token}", { params: { path: { account: owner, token } } }));
  await after(owner, call);
}

/** A token as it is sent back, with something of it other than it is. */
export function again(token: Token, changes: Partial<NewToken>): NewToken {
  const { name, policies, not_before, expires_on, condition, status } = token;
  return {
    name,
    policies: policies as unknown as Policy[],
    status,
    ...(not_before === undefined ? {} : { not_before }),
    ...(expires_on === undefined ? {} : { expires_on }),
    ...(condition === undefined ? {} : { condition }),
    ...changes,
  };
}
