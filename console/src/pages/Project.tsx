import { Anchor, Button, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { ExternalLink, Trash2 } from "lucide-react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { Page } from "../ui/Page";
import { Loaded } from "../ui/states";
import { useTab } from "../ui/tab";
import { done, failed } from "../ui/toast";
import { projectQuery, stale } from "./api";
import { Deployments } from "./Deployments";
import { Domains } from "./Domains";
import { Environment } from "./Environment";
import { usePagesText } from "./strings";
import { Upload } from "./Upload";

export function Project() {
  const t = usePagesText();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const { project = "" } = useParams({ strict: false });
  const about = useQuery(projectQuery(account, project));
  const [tab, setTab] = useTab(["deployments", "upload", "domains", "environment"]);

  async function remove() {
    const yes = await confirm({ title: t("delete.title", { name: project }), lost: t("delete.lost"), action: t("delete.action"), typed: project });
    if (!yes) return;
    try {
      await body(api.DELETE("/client/v4/accounts/{account}/pages/projects/{project}", { params: { path: { account, project } } }));
      done(t("deleted", { name: project }));
      await navigate({ to: "/a/$account/pages", params: { account } });
      await stale(account);
    } catch (error) {
      failed(error);
    }
  }

  const live = about.data?.canonical_deployment;
  const url = live?.aliases[0] ?? live?.url;
  return (
    <Page
      title={project}
      crumbs={[{ label: t("title"), to: `/a/${account}/pages` }]}
      {...(about.data === undefined
        ? {}
        : {
            text:
              url === undefined ? (
                <code>{about.data.subdomain}</code>
              ) : (
                <Anchor href={url} target="_blank" rel="noreferrer" fz="sm">
                  {url} <ExternalLink size={12} aria-hidden />
                </Anchor>
              ),
          })}
      actions={
        <Button variant="subtle" color="var(--bad)" leftSection={<Trash2 size={13} />} onClick={() => void remove()}>
          {t("delete")}
        </Button>
      }
    >
      <Loaded query={about}>
        {(data) => (
          <Tabs value={tab} onChange={setTab}>
            <Tabs.List mb="md">
              <Tabs.Tab value="deployments">{t("tab.deployments")}</Tabs.Tab>
              <Tabs.Tab value="upload">{t("tab.upload")}</Tabs.Tab>
              <Tabs.Tab value="domains">{t("tab.domains")}</Tabs.Tab>
              <Tabs.Tab value="environment">{t("tab.environment")}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="deployments">
              <Deployments account={account} project={data} />
            </Tabs.Panel>
            <Tabs.Panel value="upload">
              <Upload account={account} project={data} />
            </Tabs.Panel>
            <Tabs.Panel value="domains">
              <Domains account={account} project={data} />
            </Tabs.Panel>
            <Tabs.Panel value="environment">
              <Environment account={account} project={data} />
            </Tabs.Panel>
          </Tabs>
        )}
      </Loaded>
      <Commands
        lines={[
          `npx wrangler pages deploy dist --project-name ${project}`,
          `npx wrangler pages deployment list --project-name ${project}`,
          `npx wrangler pages secret put API_KEY --project-name ${project}`,
        ]}
      />
    </Page>
  );
}
