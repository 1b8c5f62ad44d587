import { Badge, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { SquareFunction } from "lucide-react";
import { useMemo } from "react";

import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import type { Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { ListPage } from "../ui/ListPage";
import { To } from "../ui/To";
import { caller, routedQuery, runsQuery, versionedQuery } from "./api";
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
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  const runs = useQuery(runsQuery(account));
  const routed = useQuery(routedQuery(account));
  const versioned = useQuery(versionedQuery(account));
  const queries = [runs, routed, versioned];

  const rows = useMemo<Row[] | undefined>(() => {
    if (runs.data === undefined || routed.data === undefined || versioned.data === undefined) return undefined;
    return [
      ...runs.data.map(
        ({ id, name, runtime, updated_at: changed }): Row => ({ kind: "run", at: id, name, detail: t(`runtime.${runtime}`), where: "", changed }),
      ),
      ...routed.data.map(
        ({ id, name, route, methods, updated_at: changed }): Row => ({
          kind: "routed",
          at: id,
          name,
          detail: methods.length > 4 ? t("methods.all") : methods.join(" "),
          where: `/fn${route}`,
          changed,
        }),
      ),
      ...versioned.data.map(
        ({ funcName: name, accessUrl: where, latest, updated_at: changed }): Row => ({
          kind: "versioned",
          at: name,
          name,
          detail: latest ?? "",
          where,
          changed,
        }),
      ),
    ];
  }, [runs.data, routed.data, versioned.data, t]);

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
  const all = {
    data: rows,
    error: queries.find(({ error }) => error !== null)?.error ?? null,
    isPending: rows === undefined,
    refetch: () => Promise.all(queries.map((query) => query.refetch())),
  };
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={SquareFunction}
      query={all}
      columns={columns}
      may={useMay("workers")}
      rowKey={({ kind, at }) => `${kind} ${at}`}
      search={({ name, where }) => `${name} ${where}`}
      sort="name"
      onOpen={open}
      begin={{ label: t("new"), act: () => void navigate({ to: "/a/$account/functions/new", params: { account } }) }}
      commands={["v1/functions", "functions", "deploy"].map(
        (path) => `curl ${window.location.origin}/api/${path} ${caller(account)}`,
      )}
    />
  );
}
