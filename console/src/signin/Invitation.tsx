import { Alert, Button, PasswordInput, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";

import { api, body } from "../api/client";
import type { Ticket } from "../api/session";
import { queries } from "../api/query";
import { explain } from "../ui/explain";
import { Loaded } from "../ui/states";
import { Frame } from "./Frame";
import { Second } from "./Second";
import { useSignInText } from "./strings";

const route = getRouteApi("/invitation/$secret");

/** What a password must have at least; the server says so, too. */
const SHORTEST = 10;

/** Where a one-time link leads: to a password of one's own. */
export function Invitation() {
  const t = useSignInText();
  const { secret } = route.useParams();
  const navigate = useNavigate();
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [ticket, setTicket] = useState<Ticket>();
  const invited = useQuery({
    queryKey: ["invitation", secret],
    queryFn: () => body(api.POST("/api/invitation", { body: { secret } })),
  });
  const short = password !== "" && password.length < SHORTEST;
  const differs = again !== "" && again !== password;

  async function enter() {
    await queries.invalidateQueries();
    await navigate({ to: "/" });
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (short || differs) return;
    setBusy(true);
    setError(undefined);
    try {
      const answer = await body(api.POST("/api/invitation/accept", { body: { secret, password } }));
      if ("ticket" in answer) {
        setTicket(answer);
        return;
      }
      await enter();
    } catch (fault) {
      setError(fault);
    } finally {
      setBusy(false);
    }
  }

  if (ticket !== undefined) return <Second ticket={ticket} enter={enter} />;
  if (invited.data === undefined) {
    return (
      <Frame title={t("invitation.title")}>
        <Loaded query={invited} rows={3}>
          {() => null}
        </Loaded>
      </Frame>
    );
  }
  const why = error === undefined ? undefined : explain(error);
  return (
    <Frame title={t("invitation.title")}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          <Text c="dimmed">{t("invitation.text", { email: invited.data.email })}</Text>
          {/* So that a password manager keeps the password with its name. */}
          <input type="hidden" autoComplete="username" value={invited.data.email} readOnly />
          {why !== undefined && (
            <Alert color="red" title={why.title} role="alert">
              {why.said || why.help}
            </Alert>
          )}
          <PasswordInput
            label={t("invitation.password")}
            description={t("invitation.short")}
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={short ? t("invitation.short") : undefined}
            required
            withAsterisk={false}
            autoFocus
          />
          <PasswordInput
            label={t("invitation.again")}
            autoComplete="new-password"
            value={again}
            onChange={(event) => setAgain(event.currentTarget.value)}
            error={differs ? t("invitation.differs") : undefined}
            required
            withAsterisk={false}
          />
          <Button type="submit" size="sm" loading={busy} disabled={short || differs}>
            {t("invitation.set")}
          </Button>
        </Stack>
      </form>
    </Frame>
  );
}
