import { Button, Paper, PasswordInput, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";

import { api, body, type Schema } from "../api/client";
import { FormModal } from "../ui/FormModal";
import { Section } from "../ui/Page";
import { done } from "../ui/toast";
import { changed } from "./account";
import { useMeText } from "./strings";

/** What a password must have at least; the server says so, too. */
const SHORTEST = 10;

export function Password({ own }: { own: Schema<"SigninAccount"> }) {
  const t = useMeText();
  const [open, form] = useDisclosure();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const short = next !== "" && next.length < SHORTEST;
  const differs = again !== "" && again !== next;
  const action = own.password ? t("password.change") : t("password.set");
  return (
    <Section
      title={t("password")}
      actions={
        <Button
          variant="default"
          onClick={() => {
            setCurrent("");
            setNext("");
            setAgain("");
            form.open();
          }}
        >
          {action}
        </Button>
      }
    >
      <Paper p="md">
        <Text c="dimmed">{own.password ? t("password.text") : t("password.none")}</Text>
      </Paper>
      <FormModal
        title={action}
        action={action}
        opened={open}
        onClose={form.close}
        ready={next !== "" && again !== "" && !short && !differs && (current !== "" || !own.password)}
        submit={async () => {
          const sent = { password: next, ...(own.password ? { current } : {}) };
          await body(api.PUT("/api/account/password", { body: sent }));
          await changed();
          done(t("password.changed"));
        }}
      >
        {/* So that a password manager knows whose it is. */}
        <input type="text" name="username" autoComplete="username" value={own.email} readOnly hidden />
        {own.password && (
          <PasswordInput
            label={t("password.current")}
            autoComplete="current-password"
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
            data-autofocus
          />
        )}
        <PasswordInput
          label={t("password.new")}
          description={t("password.short")}
          autoComplete="new-password"
          value={next}
          onChange={(event) => setNext(event.currentTarget.value)}
          error={short ? t("password.short") : undefined}
        />
        <PasswordInput
          label={t("password.again")}
          autoComplete="new-password"
          value={again}
          onChange={(event) => setAgain(event.currentTarget.value)}
          error={differs ? t("password.differs") : undefined}
        />
      </FormModal>
    </Section>
  );
}
