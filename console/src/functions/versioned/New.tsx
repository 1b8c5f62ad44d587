import { Stack } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";

import { useAccount } from "../../app/account";
import { Commands } from "../../ui/Commands";
import { caller } from "../api";
import { useFunctionsText } from "../strings";
import { VERSIONED } from "../templates";
import { Deploy, type Begin } from "./Deploy";

const BEGIN: Begin = { code: VERSIONED, env: {}, idleTimeout: null };

export function NewVersioned() {
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  return (
    <Stack>
      <Deploy
        account={account}
        begin={BEGIN}
        action={t("create")}
        onDone={(name) => void navigate({ to: "/a/$account/functions/versioned/$name", params: { account, name } })}
      />
      <Commands
        lines={[
          `curl ${window.location.origin}/api/deploy/hello ${caller(account)} -H "Content-Type: application/json" \\\n  -d '{"runtime": "js", "version": "v1", "alias": "stable", "code": "…"}'`,
        ]}
      />
    </Stack>
  );
}
