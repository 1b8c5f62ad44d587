import { Badge } from "@mantine/core";
import { useParams } from "@tanstack/react-router";

import { apiOf, body } from "../../api/client";
import { useAccount } from "../../app/account";
import { caller, runQuery } from "../api";
import { FunctionPage } from "../FunctionPage";
import { useFunctionsText } from "../strings";
import { Calls } from "./Calls";
import { Code } from "./Code";
import { Settings } from "./Settings";
import { Stats } from "./Stats";

export function Detail() {
  const t = useFunctionsText();
  const account = useAccount();
  const { id = "" } = useParams({ strict: false });
  return (
    <FunctionPage
      account={account}
      about={runQuery(account, id)}
      nameOf={({ name }) => name}
      badge={({ runtime }) => <Badge>{t(`runtime.${runtime}`)}</Badge>}
      parts={(known) => [
        { id: "code", label: t("tab.code"), show: () => <Code account={account} known={known} /> },
        { id: "calls", label: t("tab.calls"), show: () => <Calls account={account} id={id} /> },
        { id: "stats", label: t("tab.stats"), show: () => <Stats account={account} id={id} /> },
        { id: "settings", label: t("tab.settings"), show: () => <Settings key={known.version} account={account} known={known} /> },
      ]}
      end={() => body(apiOf(account).DELETE("/api/v1/functions/{id}", { params: { path: { id } } }))}
      commands={(known) => [
        `curl ${window.location.origin}/api/v1/functions/${id}/invoke ${caller(account)} \\\n  -H "Content-Type: application/json" -d '{"event": {"name": "Hearth"}}'`,
        `curl ${window.location.origin}/api/v1/functions/${id}/stats ${caller(account)}`,
        `npx wrangler tail ${known?.name ?? ""}`,
      ]}
    />
  );
}
