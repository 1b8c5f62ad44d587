import { Badge, Paper, Stack, Text, VisuallyHidden } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { CircleCheck, TriangleAlert } from "lucide-react";

import { api, result, type Schema } from "../api/client";
import { Commands } from "../ui/Commands";
import { Facts, type Fact } from "../ui/Facts";
import { ago, bytes, count, moment } from "../ui/format";
import { Page, Section } from "../ui/Page";
import { Loaded } from "../ui/states";
import classes from "./Nodes.module.css";
import { useNodesText } from "./strings";

type Node = Schema<"Node">;

const COLORS = { full: "teal", reduced: "yellow", none: "red" } as const;

export function Nodes() {
  const t = useNodesText();
  const nodes = useQuery({
    queryKey: ["installation", "nodes"],
    queryFn: () => result(api.GET("/client/v4/installation/nodes")),
    refetchInterval: 15_000,
  });
  return (
    <Page title={t("title")} text={t("text")}>
      <Loaded query={nodes}>{(all) => all.map((node) => <OneNode key={node.name} node={node} />)}</Loaded>
      <Commands lines={["hearth doctor", "hearth doctor --json"]} />
    </Page>
  );
}

function OneNode({ node }: { node: Node }) {
  const t = useNodesText();
  const amiss = node.findings.filter(({ ok }) => !ok);
  const room = ({ available, total }: Node["memory"]) =>
    available === null || total === null ? t("unknown") : t("free", { free: bytes(available), total: bytes(total) });
  const facts: Fact[] = [
    [t("version"), node.version],
    [t("listen"), node.listen],
    [t("started"), `${moment(node.started_on)} (${ago(node.started_on)})`],
    [t("cpus"), count(node.cpus)],
    [t("memory"), room(node.memory)],
    [t("disk"), room(node.disk)],
    [t("kernel"), node.kernel],
  ];
  return (
    <Stack gap="lg">
      <Section
        title={node.name}
        text={node.guarantees}
        actions={
          <Badge color={COLORS[node.tier]} c="var(--mantine-color-text)">
            {t(`tier.${node.tier}`)}
          </Badge>
        }
      >
        <Facts facts={facts} />
      </Section>
      <Section
        title={t("findings")}
        text={t("findings.text")}
        actions={
          <Text c="dimmed" fz="sm">
            {amiss.length === 0 ? t("well", { count: node.findings.length }) : t("amiss", { count: amiss.length })}
          </Text>
        }
      >
        <Paper>
          <ul className={classes.findings}>
            {[...amiss, ...node.findings.filter(({ ok }) => ok)].map((finding) => (
              <li key={finding.name}>
                {finding.ok ? (
                  <CircleCheck size={16} className={classes.good} aria-hidden />
                ) : (
                  <TriangleAlert size={16} className={classes.bad} aria-hidden />
                )}
                <Text fw={500}>
                  {finding.name}
                  <VisuallyHidden> ({finding.ok ? t("ok") : t("notOk")})</VisuallyHidden>
                </Text>
                <div>
                  {finding.detail}
                  {finding.remedy !== "" && <div className={classes.remedy}>{finding.remedy}</div>}
                </div>
              </li>
            ))}
          </ul>
        </Paper>
      </Section>
    </Stack>
  );
}
