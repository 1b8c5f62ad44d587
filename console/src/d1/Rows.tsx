// Rows of a result: any columns, every value as text.
import { Text } from "@mantine/core";
import { useMemo } from "react";

import { DataTable, type Column } from "../ui/DataTable";
import type { Cell } from "./api";
import { useD1Text } from "./strings";

/** Letters of a value that a cell shows; what is cut off is in its title and in the download. */
const LETTERS = 300;

export function Rows(props: { label: string; columns: string[]; rows: Cell[][]; onEnd?: () => void; tall?: number }) {
  const t = useD1Text();
  const { columns: names, rows } = props;
  const columns = useMemo<Column<readonly [number, Cell[]]>[]>(() => {
    const numeric = names.map((_, at) => rows.some((row) => typeof row[at] === "number") && rows.every((row) => row[at] === null || typeof row[at] === "number"));
    return names.map((name, at) => ({
      id: String(at),
      header: name,
      width: "minmax(8rem, 1fr)",
      ...(numeric[at] === true ? { align: "end" as const } : {}),
      value: ([, row]) => {
        const value = row[at];
        return typeof value === "number" ? value : value === null || value === undefined ? "" : String(value);
      },
      cell: ([, row]) => {
        const value = row[at];
        if (value === null || value === undefined) {
          return (
            <Text component="span" c="dimmed" fz="xs">
              NULL
            </Text>
          );
        }
        if (Array.isArray(value)) {
          return (
            <Text component="span" c="dimmed" fz="xs">
              {t("blob", { count: value.length })}
            </Text>
          );
        }
        const text = String(value);
        return <span title={text.length > 20 ? text.slice(0, 2000) : undefined}>{text.slice(0, LETTERS)}</span>;
      },
    }));
  }, [names, rows, t]);
  const numbered = useMemo(() => rows.map((row, at) => [at, row] as const), [rows]);
  return (
    <DataTable
      label={props.label}
      columns={columns}
      rows={numbered}
      rowKey={([at]) => String(at)}
      rowHeight={34}
      least={`${names.length * 9}rem`}
      tall={props.tall ?? 16}
      {...(props.onEnd === undefined ? {} : { onEnd: props.onEnd })}
    />
  );
}
