// All that can be done with one row, where that is more than an icon or two says.
import { ActionIcon, Menu } from "@mantine/core";
import { EllipsisVertical } from "lucide-react";
import type { ReactNode } from "react";

export function RowMenu(props: { label: string; children: ReactNode }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={props.label}>
          <EllipsisVertical size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>{props.children}</Menu.Dropdown>
    </Menu>
  );
}
