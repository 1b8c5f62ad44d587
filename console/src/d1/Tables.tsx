import { Badge, Button, Group, NavLink, Select, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Eye, Table2 } from "lucide-react";
import { useCallback, useMemo, useState } from "react";

import { Empty, Loaded } from "../ui/states";
import { Shown } from "../ui/Shown";
import { countQuery, rowsQuery, tablesQuery, type Table } from "./api";
import classes from "./Tables.module.css";
import { Rows } from "./Rows";
import { useD1Text } from "./strings";

interface Place {
  account: string;
  database: string;
}

export function Tables(props: Place & { toSql: () => void }) {
  const t = useD1Text();
  const tables = useQuery(tablesQuery(props.account, props.database));
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <Loaded query={tables}>
      {(list) => {
        const table = list.find(({ name }) => name === chosen) ?? list[0];
        if (table === undefined) {
          return (
            <Empty icon={Table2} title={t("tables.empty.title")} text={t("tables.empty.text")}>
              <Button variant="default" onClick={props.toSql}>
                {t("tables.write")}
              </Button>
            </Empty>
          );
        }
        return (
          <div className={classes.split}>
            <div className={classes.list}>
              {list.map(({ name, type }) => (
                <NavLink
                  key={name}
                  component="button"
                  type="button"
                  color="gray"
                  active={name === table.name}
                  aria-current={name === table.name || undefined}
                  label={name}
                  leftSection={type === "view" ? <Eye size={14} /> : <Table2 size={14} />}
                  onClick={() => setChosen(name)}
                />
              ))}
            </div>
            <Select
              className={classes.choice}
              aria-label={t("table")}
              data={list.map(({ name }) => name)}
              value={table.name}
              onChange={setChosen}
              allowDeselect={false}
            />
            <One key={table.name} {...props} table={table} />
          </div>
        );
      }}
    </Loaded>
  );
}

function One(props: Place & { table: Table }) {
  const t = useD1Text();
  const { account, database, table } = props;
  const rows = useInfiniteQuery(rowsQuery(account, database, table.name));
  const total = useQuery(countQuery(account, database, table.name));
  const { data, fetchNextPage, hasNextPage, isFetchingNextPage } = rows;
  const all = useMemo(() => data?.pages.flatMap((page) => page.rows) ?? [], [data]);
  const names = data?.pages[0]?.columns;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <Stack gap="sm" className={classes.main}>
      <Group gap="xs">
        <Text fw={600} className="mono">
          {table.name}
        </Text>
        {table.type === "view" && <Badge>{t("view")}</Badge>}
        {total.data !== undefined && (
          <Text c="dimmed" fz="sm">
            {t("rowsAll", { count: total.data })}
          </Text>
        )}
      </Group>
      <Loaded query={rows}>
        {() =>
          all.length === 0 ? (
            <Text c="dimmed">{t("rows.empty")}</Text>
          ) : (
            <Rows label={t("rows", { table: table.name })} columns={names ?? []} rows={all} onEnd={more} />
          )
        }
      </Loaded>
      <div>
        <Text fz="sm" fw={500} mb={4}>
          {t("schema")}
        </Text>
        <Shown text={table.sql} label={t("schema")} tall={180} />
      </div>
    </Stack>
  );
}
