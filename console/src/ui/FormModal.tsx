// A form in a window: its fields, what the server said against them, and two buttons.
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { useSending } from "./sending";
import { Failure } from "./states";
import { useWords } from "./strings";

export function FormModal(props: {
  title: string;
  opened: boolean;
  onClose: () => void;
  /** What the button does: "Create namespace". */
  action: string;
  /** Whether it can be sent. */
  ready?: boolean;
  /** Sends it; the window closes when it went well, and stays where that gives false. */
  submit: () => Promise<unknown>;
  size?: string;
  children: ReactNode;
}) {
  const t = useWords();
  const { busy, error, send, forget } = useSending();
  const close = () => {
    forget();
    props.onClose();
  };
  async function submit() {
    let stays = false;
    const well = await send(async () => {
      stays = (await props.submit()) === false;
    });
    if (well && !stays) close();
  }
  return (
    <Modal
      opened={props.opened}
      onClose={close}
      size={props.size ?? "md"}
      title={
        <Text fw={600} component="span">
          {props.title}
        </Text>
      }
      closeButtonProps={{ "aria-label": t("close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          event.stopPropagation();
          if (props.ready !== false) void submit();
        }}
      >
        <Stack>
          {props.children}
          {error !== undefined && <Failure error={error} compact />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t("cancel")}
            </Button>
            <Button type="submit" loading={busy} disabled={props.ready === false}>
              {props.action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
