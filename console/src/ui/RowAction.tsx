// What can be done with one row, as an icon that says what it does and to which.
import { ActionIcon, Tooltip } from "@mantine/core";
import type { LucideIcon } from "lucide-react";

export function RowAction(props: {
  icon: LucideIcon;
  label: string;
  onClick: () => void;
  /** What it does, for who points at it; where several stand in a row. */
  tip?: string;
  loading?: boolean;
}) {
  const Icon = props.icon;
  const action = (
    <ActionIcon variant="subtle" color="gray" aria-label={props.label} loading={props.loading === true} onClick={props.onClick}>
      <Icon size={15} />
    </ActionIcon>
  );
  return props.tip === undefined ? action : <Tooltip label={props.tip}>{action}</Tooltip>;
}
