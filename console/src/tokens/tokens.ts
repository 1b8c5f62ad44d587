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

/** A token as it is shown once. */
export interface Shown {
  id: string;
  name: string;
  value: string;
  /** What S3 clients sign with, where the token has a permission for R2: its SHA-256. */
  s3?: string;
}

type Named = { policies: readonly { permission_groups: readonly { name?: string }[] }[] };

async function shown(id: string, name: string, value: string, { policies }: Named): Promise<Shown> {
  const s3 = policies.some((policy) => policy.permission_groups.some((group) => group.name?.startsWith("Workers R2 ") === true));
  if (!s3) return { id, name, value };
  // The browser's own is for secure contexts only, and an intranet's console may be none.
  const [{ sha256 }, { bytesToHex, utf8ToBytes }] = await Promise.all([import("@noble/hashes/sha2.js"), import("@noble/hashes/utils.js")]);
  return { id, name, value, s3: bytesToHex(sha256(utf8ToBytes(value))) };
}

/** Gives the token itself, which nobody gives again. */
export async function create(owner: Owner, body: NewToken): Promise<Shown> {
  const call =
    owner === undefined
      ? result(api.POST("/client/v4/user/tokens", { body }))
      : result(api.POST("/client/v4/accounts/{account}/tokens", { params: { path: { account: owner } }, body }));
  const { id, name, value } = await after(owner, call);
  return shown(id, name, value, body);
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
export async function roll(owner: Owner, present: Token): Promise<Shown> {
  const token = present.id;
  const call =
    owner === undefined
      ? result(api.PUT("/client/v4/user/tokens/{token}/value", { params: { path: { token } }, body: {} }))
      : result(
          api.PUT("/client/v4/accounts/{account}/tokens/{token}/value", {
            params: { path: { account: owner, token } },
            body: {},
          }),
        );
  return shown(token, present.name, await after(owner, call), present);
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
