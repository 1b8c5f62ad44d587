import { Alert, Anchor, Button, Divider, PasswordInput, Stack, TextInput } from "@mantine/core";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";

import { queries } from "../api/query";
import {
  sessionQuery,
  signIn,
  signInWithToken,
  useMethods,
  useSession,
  type Ticket,
} from "../api/session";
import { Loaded } from "../ui/states";
import { Frame } from "./Frame";
import { passkeysWork } from "./passkey";
import { PasskeyButton } from "./PasskeyButton";
import { Refusal } from "./Refusal";
import { Second } from "./Second";
import { useSignInText } from "./strings";

const route = getRouteApi("/sign-in");

type Kind = "password" | "token";

/** Goes where one wanted to go before signing in. Some pages are the server's own, which this page's router has not. */
function leave(path: string, within: (path: string) => void) {
  if (/^\/(oauth2|cdn-cgi)\//.test(path)) window.location.assign(path);
  else within(path);
}

/** Signing in: whichever ways the server has. */
export function SignIn() {
  const t = useSignInText();
  const search = route.useSearch();
  const router = useRouter();
  const methods = useMethods();
  const session = useSession();
  const [ticket, setTicket] = useState<Ticket>();

  async function enter() {
    await queries.invalidateQueries();
    await queries.fetchQuery({ ...sessionQuery, staleTime: 0 });
    leave(search.return ?? "/", (path) => router.history.push(path));
  }

  const known = session.data !== undefined && session.data !== null;
  useEffect(() => {
    // Who is signed in already, or need not be, has no business here.
    if (known) leave(search.return ?? "/", (path) => router.history.replace(path));
  }, [known, router, search.return]);

  if (ticket !== undefined) return <Second ticket={ticket} enter={enter} />;
  return (
    <Frame title={t("title")}>
      <Stack>
        {search.failed !== undefined && (
          <Alert color="red" title={t("failed")}>
            {search.failed}
          </Alert>
        )}
        <Loaded query={methods} rows={3}>
          {(ways) => (
            <>
              <First password={ways.password} token={ways.token} enter={enter} onTicket={setTicket} />
              {(ways.passkey && passkeysWork()) || ways.providers.length > 0 ? <Divider label={t("or")} /> : null}
              {ways.passkey && passkeysWork() && <PasskeyButton enter={enter} />}
              {ways.providers.map(({ id, name }) => (
                <Button
                  key={id}
                  component="a"
                  href={`/api/session/oidc/${encodeURIComponent(id)}?return=${encodeURIComponent(search.return ?? "/")}`}
                  variant="default"
                  size="sm"
                >
                  {t("with", { name })}
                </Button>
              ))}
            </>
          )}
        </Loaded>
      </Stack>
    </Frame>
  );
}

function First(props: {
  password: boolean;
  token: boolean;
  enter: () => Promise<void>;
  onTicket: (ticket: Ticket) => void;
}) {
  const t = useSignInText();
  const [kind, setKind] = useState<Kind>(props.password ? "password" : "token");
  const [email, setEmail] = useState("");
  const [secret, setSecret] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      if (kind === "token") {
        await signInWithToken(secret.trim());
        await props.enter();
        return;
      }
      const answer = await signIn(email.trim(), secret);
      if ("ticket" in answer) props.onTicket(answer);
      else await props.enter();
    } catch (fault) {
      setError(fault);
    } finally {
      setBusy(false);
    }
  }

  function other() {
    setKind(kind === "token" ? "password" : "token");
    setSecret("");
    setError(undefined);
  }

  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        <Refusal error={error} token={kind === "token"} />
        {kind === "password" && (
          <TextInput
            label={t("email")}
            type="email"
            autoComplete="username"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            required
            withAsterisk={false}
            autoFocus
          />
        )}
        <PasswordInput
          key={kind}
          label={kind === "token" ? t("token") : t("password")}
          description={kind === "token" ? t("token.hint") : undefined}
          autoComplete={kind === "token" ? "off" : "current-password"}
          value={secret}
          onChange={(event) => setSecret(event.currentTarget.value)}
          required
          withAsterisk={false}
          autoFocus={kind === "token"}
        />
        <Button type="submit" size="sm" loading={busy}>
          {t("signIn")}
        </Button>
        {props.password && props.token && (
          <Anchor component="button" type="button" fz="sm" c="dimmed" onClick={other}>
            {kind === "token" ? t("usePassword") : t("useToken")}
          </Anchor>
        )}
      </Stack>
    </form>
  );
}
