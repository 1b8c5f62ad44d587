// A form in a window that asks for a name, of something new or of something that gets another one.
import { TextInput } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";

import { FormModal } from "./FormModal";

export function NameForm(props: {
  title: string;
  opened: boolean;
  onClose: () => void;
  /** What the button does: "Create namespace". */
  action: string;
  /** What the field asks for. */
  label: string;
  hint?: string;
  placeholder?: string;
  /** The name before. */
  present?: string;
  /** Whether what else is asked for is there. */
  ready?: boolean;
  submit: (name: string) => Promise<unknown>;
  /** What else is asked for. */
  children?: ReactNode;
}) {
  const { opened, present = "", label, hint, placeholder, submit, ready = true, children, ...form } = props;
  const [name, setName] = useState(present);
  useEffect(() => {
    if (opened) setName(present);
  }, [opened, present]);
  const sent = name.trim();
  return (
    <FormModal {...form} opened={opened} ready={sent !== "" && ready} submit={() => submit(sent)}>
      <TextInput
        label={label}
        description={hint}
        placeholder={placeholder}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
        required
        autoComplete="off"
        spellCheck={false}
      />
      {children}
    </FormModal>
  );
}
