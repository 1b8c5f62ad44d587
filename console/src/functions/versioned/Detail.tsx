import { Anchor, Badge, Button, Select, Stack, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { ExternalLink, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, body, type Schema } from "../../api/client";
import { key } from "../../api/query";
import { useAccount } from "../../app/account";
import { Commands } from "../../ui/Commands";
import { useConfirm } from "../../ui/confirm";
import { Page } from "../../ui/Page";
import { Loaded } from "../../ui/states";
import { useTab } from "../../ui/tab";
import { done, failed } from "../../ui/toast";
import { TestPanel } from "../../workers/edit/TestPanel";
import { stale, versionedOneQuery, workerIdQuery } from "../api";
import classes from "../Desk.module.css";
import { useFunctionsText } from "../strings";
import { Deploy } from "./Deploy";
import { Versions } from "./Versions";

type Known = Schema<"DeployedFunction">;

export function Detail() {
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const { name = "" } = useParams({ strict: false });
  const about = useQuery(versionedOneQuery(account, name));
  const [tab, setTab] = useTab(["versions", "code"]);

  async function remove() {
    const yes = await confirm({ title: t("delete.title", { name }), lost: t("delete.lost"), action: t("delete.action"), typed: name });
    if (!yes) return;
    try {
      await body(api.DELETE("/api/deploy/{name}", { params: { path: { name } } }));
      done(t("deleted", { name }));
      await navigate({ to: "/a/$account/functions", params: { account } });
      await stale(account);
    } catch (error) {
      failed(error);
    }
  }

  const known = about.data;
  return (
    <Page
      wide
      title={name}
      badge={known?.state != null && <Badge color={known.state === "running" ? "teal" : "gray"}>{t(`state.${known.state}`)}</Badge>}
      crumbs={[{ label: t("title"), to: `/a/${account}/functions` }]}
      {...(known === undefined
        ? {}
        : {
            text: (
              <Anchor href={known.accessUrl} target="_blank" rel="noreferrer" fz="sm">
                {known.accessUrl} <ExternalLink size={12} aria-hidden />
              </Anchor>
            ),
          })}
      actions={
        known !== undefined && (
          <Button variant="subtle" color="var(--bad)" leftSection={<Trash2 size={13} />} onClick={() => void remove()}>
            {t("delete")}
          </Button>
        )
      }
    >
      <Loaded query={about}>
        {(data) => (
          <Tabs value={tab} onChange={setTab}>
            <Tabs.List mb="md">
              <Tabs.Tab value="versions">{t("tab.versions")}</Tabs.Tab>
              <Tabs.Tab value="code">{t("tab.code")}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="versions">
              <Versions account={account} known={data} />
            </Tabs.Panel>
            <Tabs.Panel value="code">
              <Code account={account} known={data} />
            </Tabs.Panel>
          </Tabs>
        )}
      </Loaded>
      <Commands
        lines={[
          `curl ${window.location.origin}/api/rollback/${name} -H "Authorization: Bearer $TOKEN" \\\n  -H "Content-Type: application/json" -d '{"version": "v1"}'`,
          `curl -X POST ${window.location.origin}/api/stop/${name} -H "Authorization: Bearer $TOKEN"`,
          `npx wrangler tail ${name}`,
        ]}
      />
    </Page>
  );
}

function Code(props: { account: string; known: Known }) {
  const t = useFunctionsText();
  const { account, known } = props;
  const name = known.funcName;
  const [from, setFrom] = useState<string | null>(known.latest);
  const [changed, setChanged] = useState(false);
  const worker = useQuery(workerIdQuery(account, name));
  const version = from ?? known.versions[0]?.version ?? "";
  const source = useQuery({
    queryKey: key(account, "functions", "versioned", name, "code", version),
    queryFn: () => body(api.GET("/api/deploy/{name}", { params: { path: { name }, query: { version } } })),
    staleTime: Infinity,
  });
  return (
    <div className={classes.desk}>
      <Stack gap="sm" className={classes.code}>
        <Select
          label={t("from")}
          value={version}
          onChange={setFrom}
          data={known.versions.map(({ version: one }) => one)}
          allowDeselect={false}
          maw={280}
        />
        <Loaded query={source}>
          {(data) => (
            <Deploy
              key={version}
              account={account}
              name={name}
              begin={{ code: data.code ?? "", env: data.env_vars ?? {}, idleTimeout: known.idle_timeout }}
              action={t("deploy")}
              onChanged={setChanged}
              onDone={() => setFrom(null)}
            />
          )}
        </Loaded>
      </Stack>
      {worker.data != null && <TestPanel one={{ account, worker: worker.data }} stale={changed} />}
    </div>
  );
}
