// Rows that are ticked, for what is done to several at once.
import { Checkbox } from "@mantine/core";
import { useCallback, useState } from "react";

import type { Column } from "./DataTable";

/** `of` says what a row is ticked by, and the label of its box; null: it has none. */
export function useChosen<Row>(of: (row: Row) => { id: string; label: string } | null) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const clear = useCallback(() => setChosen(new Set()), []);
  const column: Column<Row> = {
    id: "pick",
    header: "",
    width: "1.4rem",
    cell: (row) => {
      const box = of(row);
      if (box === null) return null;
      return (
        <Checkbox
          size="xs"
          aria-label={box.label}
          checked={chosen.has(box.id)}
          onChange={(event) => {
            const next = new Set(chosen);
            if (event.currentTarget.checked) next.add(box.id);
            else next.delete(box.id);
            setChosen(next);
          }}
        />
      );
    },
  };
  return { chosen, clear, column };
}
