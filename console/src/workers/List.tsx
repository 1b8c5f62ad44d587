import { Badge, Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Plus, Zap } from "lucide-react";
import { useMemo } from "react";

import type { Schema } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { seriesQuery, type Group } from "../metrics/query";
import { Commands } from "../ui/Commands";
import { DataTable, type Column } from "../ui/DataTable";
import { ago, percent, short } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { workersQuery } from "./list";
import { WRANGLER } from "./one";
import { useWorkersText } from "./strings";

type Script = Schema<"Script">;

const name = (script: Script) => script.id;

/** All workers; ten thousand are a list like ten. */
export function List() {
  const t = useWorkersText();
  const account = useAccount();
  const navigate = useNavigate();
  const workers = useQuery(workersQuery(account));
  const day = useQuery(seriesQuery(account, "day"));
  const figures = useMemo(
    () => new Map<string, Group>(day.data?.workers.map((group) => [group.dimensions["scriptName"] ?? "", group])),
    [day.data],
  );
  const columns = useMemo<Column<Script>[]>(() => {
    const requests = ({ id }: Script) => figures.get(id)?.sum.requests ?? 0;
    return [
      {
        id: "name",
        header: t("name"),
        cell: ({ id }) => (
          <Link to="/a/$account/workers/$worker" params={{ account, worker: id }} className="plain" tabIndex={-1}>
            <Text span fw={500}>
              {id}
            </Text>
          </Link>
        ),
        value: name,
      },
      {
        id: "handlers",
        header: t("handlers"),
        wide: true,
        cell: ({ handlers, has_assets: assets }) =>
          [...(handlers ?? []), ...(assets ? ["assets"] : [])].map((handler) => (
            <Badge key={handler} color="gray" mr={4}>
              {handler}
            </Badge>
          )),
      },
      {
        id: "requests",
        header: t("requests24"),
        width: "8rem",
        align: "end",
        cell: (script) => (requests(script) === 0 ? <Text c="dimmed">–</Text> : short(requests(script))),
        value: requests,
      },
      {
        id: "errors",
        header: t("errors24"),
        width: "6rem",
        align: "end",
        wide: true,
        cell: ({ id }) => {
          const sum = figures.get(id)?.sum;
          if (sum === undefined || sum.requests === 0) return <Text c="dimmed">–</Text>;
          return <Text c={sum.errors > 0 ? "var(--bad)" : "dimmed"}>{percent(sum.errors / sum.requests)}</Text>;
        },
        value: ({ id }) => figures.get(id)?.sum.errors ?? 0,
      },
      {
        id: "modified",
        header: t("modified"),
        width: "9rem",
        align: "end",
        cell: ({ modified_on: when }) => <Text c="dimmed">{ago(when)}</Text>,
        value: ({ modified_on: when }) => when,
      },
    ];
  }, [t, account, figures]);
  const may = useMay("workers");
  const begin = may && (
    <Button component={Link} to="/a/$account/new-worker" params={{ account } as never} leftSection={<Plus size={14} />}>
      {t("new")}
    </Button>
  );
  return (
    <Page title={t("title")} actions={begin}>
      <Loaded query={workers}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Zap} title={t("empty.title")} text={t("empty.text")}>
              {begin}
            </Empty>
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={name}
              text={name}
              filterLabel={t("filter")}
              sort={{ id: "name" }}
              onOpen={({ id: worker }) => void navigate({ to: "/a/$account/workers/$worker", params: { account, worker } })}
            />
          )
        }
      </Loaded>
      <Commands lines={[...WRANGLER, "npx wrangler deploy"]} />
    </Page>
  );
}
