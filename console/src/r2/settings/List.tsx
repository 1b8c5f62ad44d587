// A list of the settings: its title, what adds to it, and lines that are changed and taken away.
import { Button, Group } from "@mantine/core";
import { Pencil, Plus, Trash2, type LucideIcon } from "lucide-react";

import { useMay } from "../../app/rights";
import { useAsked, type Question } from "../../ui/confirm";
import { DataTable, type Column } from "../../ui/DataTable";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { Empty, Loaded, type Asked } from "../../ui/states";
import { useWords } from "../../ui/strings";

interface Props<Row> {
  title: string;
  text?: string;
  icon: LucideIcon;
  empty: { title: string; text: string };
  query: Asked<Row[]>;
  rowKey: (row: Row) => string;
  /** What a line is called by the buttons in it. */
  nameOf: (row: Row) => string;
  columns: Column<Row>[];
  add: { label: string; act: () => void };
  edit?: (row: Row) => void;
  remove: { question: (row: Row) => Question; act: (row: Row) => Promise<void> };
}

export function List<Row>(props: Props<Row>) {
  const words = useWords();
  const asked = useAsked();
  const { edit, remove, nameOf } = props;
  const may = useMay("r2_storage");

  const actions: Column<Row> = {
    id: "do",
    header: "",
    width: edit === undefined ? "2rem" : "4.2rem",
    align: "end",
    cell: (row) => (
      <Group gap={2} wrap="nowrap">
        {edit !== undefined && <RowAction icon={Pencil} label={`${words("edit")} ${nameOf(row)}`} onClick={() => edit(row)} />}
        <RowAction
          icon={Trash2}
          label={`${words("delete")} ${nameOf(row)}`}
          onClick={() => void asked(remove.question(row), () => remove.act(row))}
        />
      </Group>
    ),
  };
  const columns = may ? [...props.columns, actions] : props.columns;
  return (
    <Section
      title={props.title}
      {...(props.text === undefined ? {} : { text: props.text })}
      actions={
        may && (
          <Button variant="default" leftSection={<Plus size={13} />} onClick={props.add.act}>
            {props.add.label}
          </Button>
        )
      }
    >
      <Loaded query={props.query} rows={2}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty small icon={props.icon} {...props.empty} />
          ) : (
            <DataTable label={props.title} columns={columns} rows={rows} rowKey={props.rowKey} />
          )
        }
      </Loaded>
    </Section>
  );
}
