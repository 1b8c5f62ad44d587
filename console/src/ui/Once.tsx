// A secret that is shown this once: nobody can ask for it again.
import { Alert, Stack } from "@mantine/core";
import { TriangleAlert } from "lucide-react";

import { Snippet } from "./Commands";

export function Once(props: { text: string; label: string; warning: string }) {
  return (
    <Stack gap="xs">
      <Alert color="yellow" variant="light" icon={<TriangleAlert size={18} />}>
        {props.warning}
      </Alert>
      <Snippet text={props.text} label={props.label} />
    </Stack>
  );
}
