import { Anchor, Badge, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { History, Split } from "lucide-react";
import { useState } from "react";

import { api, result, type Schema } from "../../api/client";
import { useMay } from "../../app/rights";
import { Commands } from "../../ui/Commands";
import { useAsked } from "../../ui/confirm";
import { ago, brief, moment } from "../../ui/format";
import { Section } from "../../ui/Page";
import { Empty, Loaded } from "../../ui/states";
import { done } from "../../ui/toast";
import { changed, deploymentsQuery, subdomainQuery, useOne, versionsQuery, WRANGLER, type One } from "../one";
import { useWorkersText } from "../strings";
import classes from "./Deployments.module.css";
import { SplitDialog } from "./SplitDialog";

type Deployment = Schema<"Deployment">;
type Version = Schema<"Version">;

/** Divides the traffic anew. */
export async function deploy(one: One, versions: Deployment["versions"], message: string): Promise<void> {
  await result(
    api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/deployments", {
      params: { path: one },
      body: { strategy: "percentage", versions, annotations: { "workers/message": message } },
    }),
  );
  await changed(one);
}

export function Deployments() {
  const t = useWorkersText();
  const one = useOne();
  const asked = useAsked();
  const may = useMay("workers");
  const deployments = useQuery(deploymentsQuery(one));
  const versions = useQuery(versionsQuery(one));
  const { data: subdomain } = useQuery(subdomainQuery(one));
  const preview = (id: string) => {
    const scheme = subdomain?.url?.split("://")[0];
    const shown = subdomain?.previews_enabled === true && scheme !== undefined;
    return shown ? `${scheme}://${brief(id)}${subdomain?.preview_url_suffix ?? ""}` : undefined;
  };
  const [splitting, setSplitting] = useState(false);
  const known = new Map((versions.data ?? []).map((version) => [version.id, version]));
  const name = (id: string) => {
    const number = known.get(id)?.number;
    return number === undefined ? brief(id) : `v${number}`;
  };
  const active = deployments.data?.[0];

  async function back(to: Deployment) {
    const names = to.versions.map(({ version_id: id }) => name(id)).join(", ");
    const question = {
      title: t("rollback.title", { version: names }),
      lost: t("rollback.text"),
      action: t("rollback"),
      mild: true,
    };
    await asked(question, async () => {
      await deploy(one, to.versions, t("rollback.message", { version: names }));
      done(t("rollback.done", { version: names }));
    });
  }

  async function all(version: Version) {
    const question = {
      title: t("deploy.title", { version: `v${version.number}` }),
      lost: t("deploy.text"),
      action: t("deploy"),
      mild: true,
    };
    await asked(question, async () => {
      await deploy(one, [{ version_id: version.id, percentage: 100 }], "");
      done(t("deployed", { version: `v${version.number}` }));
    });
  }

  const served = new Set(active?.versions.map(({ version_id: id }) => id));
  return (
    <Stack gap="xl">
      <Section
        title={t("timeline")}
        actions={
          may && (versions.data?.length ?? 0) > 1 && (
            <Button variant="default" leftSection={<Split size={14} />} onClick={() => setSplitting(true)}>
              {t("split")}
            </Button>
          )
        }
      >
        <Loaded query={deployments}>
          {(list) =>
            list.length === 0 ? (
              <Empty icon={History} title={t("timeline.empty")} text={t("timeline.empty.text")} />
            ) : (
              <ol className={classes.timeline}>
                {list.map((deployment, index) => (
                  <li key={deployment.id} data-active={index === 0 || undefined}>
                    <div className={classes.entry}>
                      <div className={classes.what}>
                        <Group gap="xs">
                          {deployment.versions.map(({ version_id: id, percentage }) => (
                            <span key={id} className={classes.version}>
                              <b>{name(id)}</b>
                              <code title={id}>{brief(id)}</code>
                              {deployment.versions.length > 1 && <span>{percentage}%</span>}
                            </span>
                          ))}
                          {index === 0 && <Badge color="teal">{t("active")}</Badge>}
                        </Group>
                        <Text mt={2}>{deployment.annotations["workers/message"] ?? ""}</Text>
                        <Text c="dimmed" fz="sm" title={moment(deployment.created_on)}>
                          {ago(deployment.created_on)} · {deployment.author_email} · {deployment.source}
                        </Text>
                      </div>
                      {may && index > 0 && (
                        <Button variant="default" onClick={() => void back(deployment)}>
                          {t("rollback")}
                        </Button>
                      )}
                    </div>
                  </li>
                ))}
              </ol>
            )
          }
        </Loaded>
      </Section>
      <Section title={t("versions")} text={t("versions.text")}>
        <Loaded query={versions}>
          {(list) => (
            <Paper>
              {list.map((version) => (
                <div key={version.id} className={classes.row}>
                  <b>v{version.number}</b>
                  {preview(version.id) === undefined ? (
                    <code className={classes.id} title={version.id}>
                      {brief(version.id)}
                    </code>
                  ) : (
                    <Anchor href={preview(version.id)} target="_blank" rel="noreferrer" className={classes.id} title={t("version.preview")}>
                      <code>{brief(version.id)}</code>
                    </Anchor>
                  )}
                  <span className="cut">
                    {version.annotations["workers/tag"] ?? version.annotations["workers/message"] ?? ""}
                  </span>
                  <Text c="dimmed" fz="sm" className={classes.when}>
                    {ago(version.metadata.created_on)} · {t("startup", { ms: version.startup_time_ms })}
                  </Text>
                  {served.has(version.id) ? (
                    <Badge color="teal">{t("serving")}</Badge>
                  ) : (
                    may && (
                      <Button variant="default" size="compact-xs" onClick={() => void all(version)}>
                        {t("deploy")}
                      </Button>
                    )
                  )}
                </div>
              ))}
            </Paper>
          )}
        </Loaded>
      </Section>
      <Commands
        lines={[
          ...WRANGLER,
          `npx wrangler deployments list --name ${one.worker}`,
          `npx wrangler versions deploy --name ${one.worker}`,
          `npx wrangler rollback --name ${one.worker}`,
        ]}
      />
      {splitting && active !== undefined && (
        <SplitDialog
          one={one}
          active={active}
          versions={versions.data ?? []}
          onClose={() => setSplitting(false)}
        />
      )}
    </Stack>
  );
}
