import { Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import { useCallback, useMemo } from "react";

import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { DataTable, type Column } from "../ui/DataTable";
import { Facts } from "../ui/Facts";
import { bytes, count } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { To } from "../ui/To";
import { namespacesQuery, objectsQuery } from "./api";
import { useObjectsText } from "./strings";

interface Row {
  id: string;
  hasStoredData: boolean;
}

export function Objects() {
  const t = useObjectsText();
  const account = useAccount();
  const { namespace = "" } = useParams({ strict: false });
  const namespaces = useQuery(namespacesQuery(account));
  const about = namespaces.data?.find(({ id }) => id === namespace);
  const objects = useInfiniteQuery(objectsQuery(account, namespace));
  const { data, fetchNextPage, hasNextPage, isFetchingNextPage } = objects;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.objects) ?? [], [data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const columns = useMemo<Column<Row>[]>(
    () => [
      { id: "id", header: t("id"), cell: ({ id }) => <code>{id}</code> },
      {
        id: "stored",
        header: t("stored"),
        width: "7rem",
        align: "end",
        cell: ({ hasStoredData }) => (hasStoredData ? t("stored.yes") : <Text c="dimmed">{t("stored.no")}</Text>),
      },
    ],
    [t],
  );
  return (
    <Page title={about?.class ?? namespace} crumbs={[{ label: t("title"), to: `/a/${account}/objects` }]} text={<code>{namespace}</code>}>
      {about !== undefined && (
        <Facts
          facts={[
            [
              t("worker"),
              <To key="worker" to={`/a/${account}/workers/${about.script}` as string}>
                {about.script}
              </To>,
            ],
            [t("engine"), about.use_sqlite ? t("engine.sqlite") : t("engine.kv")],
            [t("storage"), about.storage_bytes === null ? t("unknown") : bytes(about.storage_bytes)],
          ]}
        />
      )}
      <Loaded query={objects}>
        {() =>
          rows.length === 0 ? (
            <Empty icon={Boxes} title={t("objects.empty.title")} text={t("objects.empty.text")} />
          ) : (
            <div>
              <Text c="dimmed" fz="sm" mb={6} role="status">
                {hasNextPage ? t("shown.more", { count: count(rows.length) }) : t("shown", { count: rows.length })}
              </Text>
              <DataTable
                label={t("objects")}
                columns={columns}
                rows={rows}
                rowKey={({ id }) => id}
                text={({ id }) => id}
                filterLabel={t("findObject")}
                onEnd={more}
              />
            </div>
          )
        }
      </Loaded>
      <Commands
        lines={[
          `curl ${window.location.origin}/client/v4/accounts/${account}/workers/durable_objects/namespaces/${namespace}/objects \\\n  -H "Authorization: Bearer $TOKEN"`,
        ]}
      />
    </Page>
  );
}
