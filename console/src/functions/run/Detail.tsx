import { Badge, Button, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";

import { api, body } from "../../api/client";
import { useAccount } from "../../app/account";
import { Commands } from "../../ui/Commands";
import { useConfirm } from "../../ui/confirm";
import { Page } from "../../ui/Page";
import { Loaded } from "../../ui/states";
import { useTab } from "../../ui/tab";
import { done, failed } from "../../ui/toast";
import { runQuery, stale } from "../api";
import { useFunctionsText } from "../strings";
import { Calls } from "./Calls";
import { Code } from "./Code";
import { Settings } from "./Settings";
import { Stats } from "./Stats";

export function Detail() {
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const { id = "" } = useParams({ strict: false });
  const about = useQuery(runQuery(account, id));
  const [tab, setTab] = useTab(["code", "calls", "stats", "settings"]);

  async function remove(name: string) {
    const yes = await confirm({ title: t("delete.title", { name }), lost: t("delete.lost"), action: t("delete.action"), typed: name });
    if (!yes) return;
    try {
      await body(api.DELETE("/api/v1/functions/{id}", { params: { path: { id } } }));
      done(t("deleted", { name }));
      await navigate({ to: "/a/$account/functions", params: { account } });
      await stale(account);
    } catch (error) {
      failed(error);
    }
  }

  const name = about.data?.name ?? "";
  return (
    <Page
      wide
      title={name === "" ? t("title") : name}
      badge={about.data !== undefined && <Badge>{t(`runtime.${about.data.runtime}`)}</Badge>}
      crumbs={[{ label: t("title"), to: `/a/${account}/functions` }]}
      actions={
        about.data !== undefined && (
          <Button variant="subtle" color="var(--bad)" leftSection={<Trash2 size={13} />} onClick={() => void remove(name)}>
            {t("delete")}
          </Button>
        )
      }
    >
      <Loaded query={about}>
        {(data) => (
          <Tabs value={tab} onChange={setTab}>
            <Tabs.List mb="md">
              <Tabs.Tab value="code">{t("tab.code")}</Tabs.Tab>
              <Tabs.Tab value="calls">{t("tab.calls")}</Tabs.Tab>
              <Tabs.Tab value="stats">{t("tab.stats")}</Tabs.Tab>
              <Tabs.Tab value="settings">{t("tab.settings")}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="code">
              <Code account={account} known={data} />
            </Tabs.Panel>
            <Tabs.Panel value="calls">
              <Calls account={account} id={id} />
            </Tabs.Panel>
            <Tabs.Panel value="stats">
              <Stats account={account} id={id} />
            </Tabs.Panel>
            <Tabs.Panel value="settings">
              <Settings key={data.version} account={account} known={data} />
            </Tabs.Panel>
          </Tabs>
        )}
      </Loaded>
      <Commands
        lines={[
          `curl ${window.location.origin}/api/v1/functions/${id}/invoke -H "Authorization: Bearer $TOKEN" \\\n  -H "Content-Type: application/json" -d '{"event": {"name": "Hearth"}}'`,
          `curl ${window.location.origin}/api/v1/functions/${id}/stats -H "Authorization: Bearer $TOKEN"`,
          `npx wrangler tail ${name}`,
        ]}
      />
    </Page>
  );
}
