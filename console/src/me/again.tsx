// The server wants the password again before it changes how one signs in, where signing in is a while ago.
import { PasswordInput, Text } from "@mantine/core";
import { useState, type ReactNode } from "react";

import { Fault } from "../api/error";
import { FormModal } from "../ui/FormModal";
import { useMeText } from "./strings";

type Confirmed<T> = (password?: string) => Promise<T>;

interface Waiting {
  call: Confirmed<unknown>;
  done: (value: unknown) => void;
}

/**
 * `const [confirmed, dialog] = useConfirmed()`; `await confirmed((password) => …)` makes the call, and where the server
 * asks for the password, again with it. Null: the person would rather not.
 */
export function useConfirmed(): [<T>(call: Confirmed<T>) => Promise<T | null>, ReactNode] {
  const t = useMeText();
  const [waiting, setWaiting] = useState<Waiting>();
  const [password, setPassword] = useState("");

  async function confirmed<T>(call: Confirmed<T>): Promise<T | null> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "confirm") throw error;
    }
    setPassword("");
    return new Promise((done) => setWaiting({ call, done: (value) => done(value as T | null) }));
  }

  const dialog = (
    <FormModal
      title={t("again")}
      action={t("again.go")}
      opened={waiting !== undefined}
      onClose={() => {
        waiting?.done(null);
        setWaiting(undefined);
      }}
      ready={password !== ""}
      submit={async () => waiting?.done(await waiting.call(password))}
    >
      <Text c="dimmed">{t("again.text")}</Text>
      <PasswordInput
        label={t("password.current")}
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        data-autofocus
      />
    </FormModal>
  );
  return [confirmed, dialog];
}
