// Asks before something is lost that cannot be had again.
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";

import { useWords } from "./strings";
import { failed } from "./toast";

export interface Question {
  title: string;
  /** What is lost, by name and number. */
  lost: ReactNode;
  /** What the button does: "Delete worker". */
  action: string;
  /** A name that has to be typed, where much is lost. */
  typed?: string;
  /** Not destructive: the button is an ordinary one. */
  mild?: boolean;
}

type Ask = (question: Question) => Promise<boolean>;

const Context = createContext<Ask>(() => Promise.resolve(false));

/** `const confirm = useConfirm(); if (await confirm({ … })) …` */
export function useConfirm(): Ask {
  return useContext(Context);
}

/** Asks; after a yes it is done, and what went wrong is shown. `await asked({ … }, async () => { … })` */
export function useAsked() {
  const ask = useConfirm();
  return useCallback(
    async (question: Question, act: () => Promise<unknown>) => {
      if (!(await ask(question))) return;
      try {
        await act();
      } catch (error) {
        failed(error);
      }
    },
    [ask],
  );
}

export function ConfirmProvider(props: { children: ReactNode }) {
  const t = useWords();
  const [asked, setAsked] = useState<{ question: Question; answer: (yes: boolean) => void }>();
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const ask = useCallback<Ask>((question) => {
    setTyped("");
    setOpen(true);
    return new Promise((answer) => setAsked({ question, answer }));
  }, []);
  const close = (yes: boolean) => {
    asked?.answer(yes);
    setOpen(false);
  };
  const question = asked?.question;
  const ready = useMemo(() => question?.typed === undefined || typed === question.typed, [question, typed]);
  return (
    <Context.Provider value={ask}>
      {props.children}
      <Modal
        opened={open}
        onClose={() => close(false)}
        title={<Text fw={600}>{question?.title}</Text>}
        closeButtonProps={{ "aria-label": t("close") }}
        // Above a drawer or window that asks.
        zIndex={300}
      >
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) close(true);
          }}
        >
          <Stack>
            <Text component="div">{question?.lost}</Text>
            {question?.typed !== undefined && (
              <TextInput
                label={t("confirm.type", { name: question.typed })}
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
                autoComplete="off"
                spellCheck={false}
                data-autofocus
              />
            )}
            <Group justify="flex-end">
              <Button variant="default" onClick={() => close(false)}>
                {t("cancel")}
              </Button>
              <Button type="submit" color={question?.mild === true ? "ink" : "red.7"} disabled={!ready}>
                {question?.action}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </Context.Provider>
  );
}
