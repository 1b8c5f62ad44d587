import { Badge, Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Pause, Play } from "lucide-react";

import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Commands } from "../ui/Commands";
import { Facts } from "../ui/Facts";
import { ago, bytes, count } from "../ui/format";
import { Page } from "../ui/Page";
import { Loaded } from "../ui/states";
import { Tabbed } from "../ui/Tabbed";
import { done, failed } from "../ui/toast";
import { change, metricsQuery, queueQuery } from "./api";
import { Consumers } from "./Consumers";
import { Messages } from "./Messages";
import { Settings } from "./Settings";
import { useQueuesText } from "./strings";
import { Subscriptions } from "./Subscriptions";

export function Detail() {
  const t = useQueuesText();
  const account = useAccount();
  const { queue = "" } = useParams({ strict: false });
  const may = useMay("queues");
  const about = useQuery(queueQuery(account, queue));
  const metrics = useQuery(metricsQuery(account, queue));
  const paused = about.data?.settings.delivery_paused;
  const name = about.data?.queue_name ?? queue;

  async function toggle(to: boolean) {
    try {
      await change(account, queue, { settings: { delivery_paused: to } });
      done(to ? t("pause.done") : t("resume.done"));
    } catch (error) {
      failed(error);
    }
  }

  const oldest = metrics.data?.oldest_message_timestamp_ms ?? 0;
  return (
    <Page
      title={name}
      badge={paused === true && <Badge color="yellow">{t("paused")}</Badge>}
      crumbs={[{ label: t("title"), to: `/a/${account}/queues` }]}
      text={<code>{queue}</code>}
      actions={
        may &&
        paused !== undefined && (
          <Button variant="default" leftSection={paused ? <Play size={13} /> : <Pause size={13} />} onClick={() => void toggle(!paused)}>
            {paused ? t("resume") : t("pause")}
          </Button>
        )
      }
    >
      <Loaded query={about}>
        {(data) => (
          <>
            <Facts
              facts={[
                [t("waiting"), metrics.data === undefined ? "–" : count(metrics.data.backlog_count)],
                [t("bytes"), metrics.data === undefined ? "–" : bytes(metrics.data.backlog_bytes)],
                [t("oldest"), oldest === 0 ? "–" : ago(oldest)],
                [t("delivery"), data.settings.delivery_paused ? t("delivery.off") : t("delivery.on")],
              ]}
            />
            <Tabbed
              parts={[
                {
                  id: "messages",
                  label: t("tab.messages"),
                  show: () => <Messages account={account} queue={data} waiting={metrics.data?.backlog_count ?? 0} />,
                },
                { id: "consumers", label: t("tab.consumers"), show: () => <Consumers account={account} queue={data} /> },
                {
                  id: "subscriptions",
                  label: t("tab.subscriptions"),
                  show: () => <Subscriptions account={account} queue={data} />,
                },
                { id: "settings", label: t("tab.settings"), show: () => <Settings key={data.modified_on} account={account} queue={data} /> },
              ]}
            />
          </>
        )}
      </Loaded>
      <Commands
        lines={[
          `npx wrangler queues info ${name}`,
          `npx wrangler queues pause-delivery ${name}`,
          `npx wrangler queues purge ${name}`,
          `npx wrangler queues consumer add ${name} WORKER --dead-letter-queue failed`,
          `npx wrangler queues subscription create ${name} --source kv --events namespace.created,namespace.deleted`,
          `curl ${window.location.origin}/client/v4/accounts/${account}/queues/${queue}/messages -H "Authorization: Bearer $TOKEN" \\\n  -H "Content-Type: application/json" -d '{"body": {"order": 1}, "content_type": "json"}'`,
        ]}
      />
    </Page>
  );
}
