import { UserRound } from "lucide-react";

import { useSession } from "../api/session";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { useOwnSignIn } from "./account";
import { Authenticator } from "./Authenticator";
import { Passkeys } from "./Passkeys";
import { Password } from "./Password";
import { Sessions } from "./Sessions";
import { useMeText } from "./strings";

/** How one signs in oneself. */
export function OwnSignIn() {
  const t = useMeText();
  const session = useSession();
  return (
    <Loaded query={session}>
      {(present) =>
        present?.user ? (
          <Person email={present.user.email} />
        ) : (
          <Page title={t("title")}>
            <Empty
              icon={UserRound}
              title={t("nobody.title")}
              text={present?.kind === "token" ? t("nobody.token") : t("nobody.dev")}
            />
          </Page>
        )
      }
    </Loaded>
  );
}

function Person({ email }: { email: string }) {
  const t = useMeText();
  const own = useOwnSignIn();
  return (
    <Page title={t("title")} text={email}>
      <Loaded query={own}>
        {(signIn) => (
          <>
            <Password own={signIn} />
            <Authenticator own={signIn} />
            <Passkeys />
            <Sessions />
          </>
        )}
      </Loaded>
    </Page>
  );
}
