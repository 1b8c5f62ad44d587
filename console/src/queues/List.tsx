import { Badge, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ListOrdered } from "lucide-react";
import { useMemo } from "react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import type { Column } from "../ui/DataTable";
import { ago, count } from "../ui/format";
import { ListPage, useEndColumn, useMaking } from "../ui/ListPage";
import { To } from "../ui/To";
import { queuesQuery, stale, type Queue } from "./api";
import { useQueuesText } from "./strings";

const PATH = "/client/v4/accounts/{account}/queues";

export function List() {
  const t = useQueuesText();
  const account = useAccount();
  const navigate = useNavigate();
  const making = useMaking(t, async (name) => {
    await body(api.POST(PATH, { params: { path: { account } }, body: { queue_name: name } }));
    await stale(account);
  });
  const end = useEndColumn<Queue>(
    t,
    ({ queue_name: name }) => name,
    async ({ queue_id: queue }) => {
      await body(api.DELETE(`${PATH}/{queue}`, { params: { path: { account, queue } } }));
      await stale(account);
    },
  );
  const columns = useMemo<Column<Queue>[]>(
    () => [
      {
        id: "name",
        header: t("name"),
        value: ({ queue_name: name }) => name,
        cell: ({ queue_id: queue, queue_name: name, settings }) => (
          <Group gap="xs" wrap="nowrap">
            <To to="/a/$account/queues/$queue" params={{ account, queue }} fw={500} className="cut">
              {name}
            </To>
            {settings.delivery_paused && <Badge color="yellow">{t("paused")}</Badge>}
          </Group>
        ),
      },
      { id: "producers", header: t("producers"), wide: true, width: "7rem", align: "end", value: (row) => row.producers_total_count, cell: (row) => count(row.producers_total_count) },
      { id: "consumers", header: t("consumers"), width: "7rem", align: "end", value: (row) => row.consumers_total_count, cell: (row) => count(row.consumers_total_count) },
      { id: "created", header: t("created"), wide: true, width: "9rem", align: "end", value: (row) => row.created_on, cell: (row) => <Text c="dimmed">{ago(row.created_on)}</Text> },
    ],
    [t, account],
  );
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={ListOrdered}
      query={useQuery(queuesQuery(account))}
      columns={columns}
      may={useMay("queues")}
      rowKey={(row) => row.queue_id}
      search={(row) => row.queue_name}
      sort="name"
      onOpen={({ queue_id: queue }) => void navigate({ to: "/a/$account/queues/$queue", params: { account, queue } })}
      begin={making.begin}
      actions={end}
      commands={["npx wrangler queues create orders", "npx wrangler queues list"]}
    >
      {making.form}
    </ListPage>
  );
}
