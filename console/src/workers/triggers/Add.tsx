// One more line of a list of triggers, as it is typed.
import { Button, Group, TextInput } from "@mantine/core";
import { useState } from "react";

import { useSending } from "../../ui/sending";
import { Failure } from "../../ui/states";
import { useWords } from "../../ui/strings";

export function Add(props: { label: string; placeholder: string; ready: boolean; add: (line: string) => Promise<unknown> }) {
  const words = useWords();
  const [line, setLine] = useState("");
  const { busy, error, send } = useSending();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send(() => props.add(line.trim())).then((well) => well && setLine(""));
      }}
    >
      <Group mt="sm" align="flex-end" gap="xs">
        <TextInput
          label={props.label}
          placeholder={props.placeholder}
          value={line}
          onChange={(event) => setLine(event.currentTarget.value)}
          required
          withAsterisk={false}
          flex="1 1 16rem"
          maw={420}
        />
        <Button type="submit" size="sm" variant="default" loading={busy} disabled={!props.ready}>
          {words("add")}
        </Button>
      </Group>
      {error !== undefined && <Failure error={error} />}
    </form>
  );
}
