import { api, body, type Schema } from "../api/client";
import { queries } from "../api/query";

export type Rule = Schema<"SigninRule">;

const PROVIDERS = ["installation", "providers"] as const;

export const providersQuery = {
  queryKey: PROVIDERS,
  queryFn: async () => (await body(api.GET("/api/signin/providers"))).providers,
};

export type Provider = Awaited<ReturnType<(typeof providersQuery)["queryFn"]>>[number];

/** As it is sent: `client_secret` only where it is to be another one. */
export type Sent = Omit<Provider, "has_secret" | "redirect_uri"> & { client_secret?: string };

function sent({ has_secret: _, redirect_uri: __, ...rest }: Provider): Sent {
  return rest;
}

/** Puts one in its place, or behind the others; without `by`, takes it away. */
export async function replaceOne(all: readonly Provider[], id: string, by?: Sent): Promise<void> {
  const others = all.map((one) => (one.id === id && by !== undefined ? by : sent(one)));
  const known = all.some((one) => one.id === id);
  const providers = by === undefined ? others.filter((one) => one.id !== id) : known ? others : [...others, by];
  await body(api.PUT("/api/signin/providers", { body: { providers } }));
  await Promise.all([
    queries.invalidateQueries({ queryKey: PROVIDERS }),
    queries.invalidateQueries({ queryKey: ["session", "methods"] }),
  ]);
}
