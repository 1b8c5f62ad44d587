import { Anchor, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Files, Search } from "lucide-react";
import { useCallback, useMemo, useState } from "react";

import { api, body, type Schema } from "../../api/client";
import { Commands } from "../../ui/Commands";
import { DataTable, type Column } from "../../ui/DataTable";
import { brief, bytes, count } from "../../ui/format";
import { Section } from "../../ui/Page";
import { Empty, Loaded } from "../../ui/states";
import { domainsQuery, oneKey, subdomainQuery, useOne, WRANGLER, type One } from "../one";
import { useWorkersText } from "../strings";

type Asset = Schema<"Asset">;

const PER_PAGE = 500;

const filesQuery = (one: One, search: string) => ({
  queryKey: oneKey(one, "assets", search),
  initialPageParam: 1,
  queryFn: ({ pageParam: page }: { pageParam: number }) => {
    const query = { page, per_page: PER_PAGE, ...(search === "" ? {} : { search }) };
    return body(api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/assets", { params: { path: one, query } }));
  },
  getNextPageParam: ({ result_info: info }: { result_info: Schema<"PageInfo"> }) =>
    info.page < info.total_pages ? info.page + 1 : undefined,
});

/** Where the worker is reached: its own host, or the first of its domains. */
function useHost(one: One): string | undefined {
  const subdomain = useQuery(subdomainQuery(one));
  const domains = useQuery(domainsQuery(one));
  if (subdomain.data?.enabled === true && subdomain.data.url !== null) return subdomain.data.url.replace(/\/$/, "");
  const domain = domains.data?.[0]?.hostname;
  return domain === undefined ? undefined : `${window.location.protocol}//${domain}`;
}

/** The static files of the version that serves. */
export function Assets() {
  const t = useWorkersText();
  const one = useOne();
  const host = useHost(one);
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed.trim(), 250);
  const files = useInfiniteQuery(filesQuery(one, search));
  const { data, fetchNextPage, hasNextPage, isFetchingNextPage } = files;
  const rows = useMemo(() => data?.pages.flatMap(({ result }) => result) ?? [], [data]);
  const total = data?.pages[0]?.result_info.total_count ?? 0;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const columns: Column<Asset>[] = [
    {
      id: "path",
      header: t("assets.path"),
      width: "minmax(0, 2fr)",
      cell: ({ path }) =>
        host === undefined ? (
          <span className="mono cut">{path}</span>
        ) : (
          <Anchor
            href={host + path.split("/").map(encodeURIComponent).join("/")}
            target="_blank"
            rel="noreferrer"
            c="inherit"
            className="mono cut"
          >
            {path}
          </Anchor>
        ),
    },
    { id: "type", header: t("assets.type"), wide: true, cell: ({ type }) => <Text c="dimmed" fz="sm" className="cut">{type ?? "–"}</Text> },
    { id: "size", header: t("assets.size"), width: "5.5rem", align: "end", cell: ({ size }) => bytes(size) },
    {
      id: "hash",
      header: t("assets.hash"),
      wide: true,
      width: "6.5rem",
      align: "end",
      cell: ({ hash }) => (
        <span className="mono" title={hash}>
          {brief(hash)}
        </span>
      ),
    },
  ];
  return (
    <Section title={t("tab.assets")} text={t("assets.text")}>
      <Stack gap="sm">
        {(total > 0 || search !== "") && (
          <TextInput
            type="search"
            leftSection={<Search size={14} />}
            aria-label={t("assets.find")}
            placeholder={t("assets.find")}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            maw={420}
            spellCheck={false}
          />
        )}
        <Loaded query={files}>
          {() =>
            rows.length === 0 ? (
              <Empty
                icon={search === "" ? Files : Search}
                title={search === "" ? t("assets.none") : t("assets.notFound")}
                text={search === "" ? t("assets.none.text") : search}
              />
            ) : (
              <div>
                <Text c="dimmed" fz="sm" mb={6} role="status">
                  {t("assets.count", { count: total, figure: count(total) })}
                </Text>
                <DataTable label={t("tab.assets")} columns={columns} rows={rows} rowKey={({ path }) => path} onEnd={more} />
              </div>
            )
          }
        </Loaded>
        <Commands
          lines={[
            ...WRANGLER,
            "# in wrangler.jsonc:",
            `"assets": { "directory": "./public", "binding": "ASSETS" }`,
            "# then",
            "npx wrangler deploy",
            "# the list:",
            `curl -H "Authorization: Bearer $TOKEN" "${window.location.origin}/client/v4/accounts/${one.account}/workers/scripts/${one.worker}/hearth/assets?search=.html"`,
          ]}
        />
      </Stack>
    </Section>
  );
}
