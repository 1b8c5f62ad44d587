// The button of a page that ends what the page is about.
import { Button } from "@mantine/core";
import { Trash2 } from "lucide-react";

export function EndButton(props: { label: string; onClick: () => void }) {
  return (
    <Button variant="subtle" color="var(--bad)" leftSection={<Trash2 size={13} />} onClick={props.onClick}>
      {props.label}
    </Button>
  );
}
