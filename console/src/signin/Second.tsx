import { Anchor, Button, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { signInSecond, type Ticket } from "../api/session";
import { Frame } from "./Frame";
import { passkeysWork } from "./passkey";
import { PasskeyButton } from "./PasskeyButton";
import { Refusal } from "./Refusal";
import { useSignInText } from "./strings";

/** The second factor, after the password was right. */
export function Second(props: { ticket: Ticket; enter: () => Promise<void> }) {
  const t = useSignInText();
  const { ticket, second_factors: factors } = props.ticket;
  const [recovery, setRecovery] = useState(!factors.includes("totp"));
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await signInSecond(ticket, recovery ? { recovery: code.trim() } : { totp: code.replaceAll(/\s/g, "") });
      await props.enter();
    } catch (fault) {
      setError(fault);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Frame title={t("second.title")}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          <Refusal error={error} />
          <TextInput
            key={String(recovery)}
            label={recovery ? t("second.recovery") : t("second.totp")}
            autoComplete="one-time-code"
            inputMode={recovery ? "text" : "numeric"}
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            required
            withAsterisk={false}
            autoFocus
          />
          <Button type="submit" size="sm" loading={busy}>
            {t("continue")}
          </Button>
          {factors.includes("passkey") && passkeysWork() && <PasskeyButton enter={props.enter} />}
          {factors.includes("recovery") && factors.includes("totp") && (
            <Anchor
              component="button"
              type="button"
              fz="sm"
              c="dimmed"
              onClick={() => {
                setRecovery(!recovery);
                setCode("");
              }}
            >
              {recovery ? t("second.useTotp") : t("second.useRecovery")}
            </Anchor>
          )}
        </Stack>
      </form>
    </Frame>
  );
}
