import { Badge, Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Plus, SquareFunction } from "lucide-react";
import { useMemo } from "react";

import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { To } from "../ui/To";
import { routedQuery, runsQuery, versionedQuery } from "./api";
import { Elsewhere, useElsewhere } from "./Elsewhere";
import { useFunctionsText } from "./strings";

interface Row {
  kind: "run" | "routed" | "versioned";
  /** What its page is found by. */
  at: string;
  name: string;
  detail: string;
  where: string;
  changed: string;
}

export function List() {
  const where = useElsewhere();
  return where === undefined ? <All /> : <Elsewhere where={where} />;
}

function All() {
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  const runs = useQuery(runsQuery(account));
  const routed = useQuery(routedQuery(account));
  const versioned = useQuery(versionedQuery(account));
  const queries = [runs, routed, versioned];

  const rows = useMemo<Row[]>(
    () => [
      ...(runs.data ?? []).map(
        ({ id, name, runtime, updated_at: changed }): Row => ({ kind: "run", at: id, name, detail: t(`runtime.${runtime}`), where: "", changed }),
      ),
      ...(routed.data ?? []).map(
        ({ id, name, route, methods, updated_at: changed }): Row => ({
          kind: "routed",
          at: id,
          name,
          detail: methods.length > 4 ? t("methods.all") : methods.join(" "),
          where: `/fn${route}`,
          changed,
        }),
      ),
      ...(versioned.data ?? []).map(
        ({ funcName: name, accessUrl: where, latest, updated_at: changed }): Row => ({
          kind: "versioned",
          at: name,
          name,
          detail: latest ?? "",
          where,
          changed,
        }),
      ),
    ],
    [runs.data, routed.data, versioned.data, t],
  );

  const columns = useMemo<Column<Row>[]>(
    () => [
      {
        id: "name",
        header: t("name"),
        value: ({ name }) => name,
        cell: ({ kind, at, name }) =>
          kind === "run" ? (
            <To to="/a/$account/functions/run/$id" params={{ account, id: at }} fw={500}>
              {name}
            </To>
          ) : kind === "routed" ? (
            <To to="/a/$account/functions/routed/$id" params={{ account, id: at }} fw={500}>
              {name}
            </To>
          ) : (
            <To to="/a/$account/functions/versioned/$name" params={{ account, name: at }} fw={500}>
              {name}
            </To>
          ),
      },
      { id: "kind", header: t("kind"), width: "6rem", value: ({ kind }) => t(`kind.${kind}`), cell: ({ kind }) => <Badge>{t(`kind.${kind}`)}</Badge> },
      { id: "detail", header: "", wide: true, width: "9rem", cell: ({ detail }) => <Text c="dimmed" className="cut">{detail}</Text> },
      { id: "where", header: t("where"), wide: true, cell: ({ where }) => <span className="mono">{where}</span> },
      { id: "changed", header: t("changed"), width: "9rem", align: "end", value: ({ changed }) => changed, cell: ({ changed }) => <Text c="dimmed">{ago(changed)}</Text> },
    ],
    [t, account],
  );

  const open = ({ kind, at }: Row) => {
    if (kind === "run") void navigate({ to: "/a/$account/functions/run/$id", params: { account, id: at } });
    else if (kind === "routed") void navigate({ to: "/a/$account/functions/routed/$id", params: { account, id: at } });
    else void navigate({ to: "/a/$account/functions/versioned/$name", params: { account, name: at } });
  };
  const begin = () => void navigate({ to: "/a/$account/functions/new", params: { account } });
  const failure = queries.find(({ error }) => error !== null);
  return (
    <Page
      title={t("title")}
      text={t("text")}
      actions={
        <Button leftSection={<Plus size={14} />} onClick={begin}>
          {t("new")}
        </Button>
      }
    >
      {failure !== undefined ? (
        <Failure error={failure.error} retry={() => queries.forEach((query) => void query.refetch())} />
      ) : queries.some(({ data }) => data === undefined) ? (
        <Loading />
      ) : rows.length === 0 ? (
        <Empty icon={SquareFunction} title={t("empty.title")} text={t("empty.text")}>
          <Button variant="default" onClick={begin}>
            {t("new")}
          </Button>
        </Empty>
      ) : (
        <DataTable
          label={t("title")}
          columns={columns}
          rows={rows}
          rowKey={({ kind, at }) => `${kind} ${at}`}
          text={({ name, where }) => `${name} ${where}`}
          filterLabel={t("find")}
          sort={{ id: "name" }}
          onOpen={open}
        />
      )}
      <Commands
        lines={[
          `curl ${window.location.origin}/api/v1/functions -H "Authorization: Bearer $TOKEN"`,
          `curl ${window.location.origin}/api/functions -H "Authorization: Bearer $TOKEN"`,
          `curl ${window.location.origin}/api/deploy -H "Authorization: Bearer $TOKEN"`,
        ]}
      />
    </Page>
  );
}
