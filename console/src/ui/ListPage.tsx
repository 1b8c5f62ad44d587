// The page of what an account has of a kind: a list to search, how the first one and further ones are made, how one ends.
import { Button } from "@mantine/core";
import { Plus, Trash2, type LucideIcon } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";

import { Commands } from "./Commands";
import { useAsked } from "./confirm";
import { DataTable, type Column } from "./DataTable";
import { NameForm } from "./NameForm";
import { Page } from "./Page";
import { RowAction } from "./RowAction";
import { Empty, Loaded, type Asked } from "./states";
import { useWords } from "./strings";
import { done } from "./toast";

/** An area's texts, of which these keys are needed. */
type Says<K extends string> = (key: K, values?: Record<string, string | number>) => string;

/** What the button above the list and the one of an empty list begin. */
export interface Begin {
  label: string;
  act: () => void;
}

export function ListPage<Row>(props: {
  t: Says<"title" | "find" | "empty.title" | "empty.text">;
  /** What is on the page, under its title. */
  text?: string;
  icon: LucideIcon;
  query: Asked<readonly Row[]>;
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  /** What the search looks through. */
  search: (row: Row) => string;
  /** The column that it is sorted by at first. */
  sort?: string;
  onOpen: (row: Row) => void;
  /** Whether the caller may make and end what is listed; else he is not offered to. */
  may: boolean;
  begin?: Begin;
  /** The last column: what can be done with a row. */
  actions?: Column<Row>;
  commands: string[];
  /** What stands between the list and the commands. */
  more?: ReactNode;
  /** Windows that it opens. */
  children?: ReactNode;
}) {
  const { t, columns, sort } = props;
  const begin = props.may ? props.begin : undefined;
  const actions = props.may ? props.actions : undefined;
  const all = useMemo(() => (actions === undefined ? columns : [...columns, actions]), [columns, actions]);
  return (
    <Page
      title={t("title")}
      {...(props.text === undefined ? {} : { text: props.text })}
      actions={
        begin !== undefined && (
          <Button leftSection={<Plus size={14} />} onClick={begin.act}>
            {begin.label}
          </Button>
        )
      }
    >
      <Loaded query={props.query}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={props.icon} title={t("empty.title")} text={t("empty.text")}>
              {begin !== undefined && (
                <Button variant="default" onClick={begin.act}>
                  {begin.label}
                </Button>
              )}
            </Empty>
          ) : (
            <DataTable
              label={t("title")}
              columns={all}
              rows={rows}
              rowKey={props.rowKey}
              text={props.search}
              filterLabel={t("find")}
              {...(sort === undefined ? {} : { sort: { id: sort } })}
              onOpen={props.onOpen}
            />
          )
        }
      </Loaded>
      {props.more}
      <Commands lines={props.commands} />
      {props.children}
    </Page>
  );
}

/** What is made by its name alone: its button and its window. */
export function useMaking(
  t: Says<"new" | "create" | "name" | "made">,
  make: (name: string) => Promise<unknown>,
  hint?: string,
): { begin: Begin; form: ReactNode } {
  const [opened, setOpened] = useState(false);
  const form = (
    <NameForm
      title={t("new")}
      opened={opened}
      onClose={() => setOpened(false)}
      action={t("create")}
      label={t("name")}
      {...(hint === undefined ? {} : { hint })}
      submit={async (name) => {
        await make(name);
        done(t("made", { name }));
      }}
    />
  );
  return { begin: { label: t("new"), act: () => setOpened(true) }, form };
}

/** Ends what has much in it: its name has to be typed. */
export function useEnding(t: Says<"delete.title" | "delete.lost" | "delete.action" | "deleted">) {
  const asked = useAsked();
  return (name: string, end: () => Promise<unknown>) =>
    asked({ title: t("delete.title", { name }), lost: t("delete.lost", { name }), action: t("delete.action"), typed: name }, async () => {
      await end();
      done(t("deleted", { name }));
    });
}

/** The column with which a row is ended. */
export function useEndColumn<Row>(
  t: Parameters<typeof useEnding>[0],
  nameOf: (row: Row) => string,
  end: (row: Row) => Promise<unknown>,
): Column<Row> {
  const w = useWords();
  const ending = useEnding(t);
  return {
    id: "do",
    header: "",
    width: "2rem",
    align: "end",
    cell: (row) => (
      <RowAction icon={Trash2} label={`${w("delete")} ${nameOf(row)}`} onClick={() => void ending(nameOf(row), () => end(row))} />
    ),
  };
}
