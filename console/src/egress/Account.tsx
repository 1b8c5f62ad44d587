import { SegmentedControl, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { useAccount } from "../app/account";
import { Page } from "../ui/Page";
import { workersQuery } from "../workers/list";
import { RulesEditor } from "./Editor";
import { useEgressText } from "./strings";

/** Names that a choice shows at a time; typing finds the others. */
const SHOWN = 50;

export function AccountEgress() {
  const t = useEgressText();
  const account = useAccount();
  const [of, setOf] = useState("account");
  const [worker, setWorker] = useState<string | null>(null);
  const workers = useQuery({ ...workersQuery(account), enabled: of === "worker" });
  return (
    <Page title={t("title")} text={t("text")}>
      <Stack gap="sm" align="flex-start">
        <SegmentedControl
          size="xs"
          value={of}
          onChange={setOf}
          data={[
            { value: "account", label: t("scope.account") },
            { value: "worker", label: t("scope.worker") },
          ]}
        />
        {of === "worker" && (
          <Select
            label={t("worker")}
            placeholder={t("worker.pick")}
            data={(workers.data ?? []).map(({ id }) => id)}
            value={worker}
            onChange={setWorker}
            searchable
            limit={SHOWN}
            nothingFoundMessage={t("worker.none")}
            w={320}
            maw="100%"
          />
        )}
      </Stack>
      {of === "account" && <RulesEditor key={account} scope={{ account }} />}
      {of === "worker" && worker !== null && <RulesEditor key={worker} scope={{ account, worker }} />}
    </Page>
  );
}
