import { Group, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Activity } from "lucide-react";
import { useMemo } from "react";

import { Chart } from "../../ui/chart";
import { Facts } from "../../ui/Facts";
import { count, duration, percent } from "../../ui/format";
import { Section } from "../../ui/Page";
import { Empty, Loaded } from "../../ui/states";
import { callsQuery, runStatsQuery } from "../api";
import { useFunctionsText } from "../strings";

const time = (ms: number | null) => (ms === null ? "–" : duration(ms));

export function Stats(props: { account: string; id: string }) {
  const t = useFunctionsText();
  const stats = useQuery(runStatsQuery(props.account, props.id));
  const calls = useQuery(callsQuery(props.account, props.id));
  const points = useMemo(() => [...(calls.data?.invocations ?? [])].reverse(), [calls.data]);
  return (
    <Loaded query={stats}>
      {(data) =>
        data.invocations === 0 ? (
          <Empty icon={Activity} title={t("calls.empty.title")} text={t("calls.empty.text")} />
        ) : (
          <Stack gap="xl">
            <div>
              <Facts
                facts={[
                  [t("calls"), count(data.invocations)],
                  [t("success"), data.success_rate === null ? "–" : percent(data.success_rate)],
                  [t("errors"), count(data.errors)],
                  [t("colds"), count(data.cold_starts)],
                  [t("average"), time(data.average_ms)],
                  [t("p50"), time(data.p50_ms)],
                  [t("p95"), time(data.p95_ms)],
                  [t("p99"), time(data.p99_ms)],
                ]}
              />
              <Text c="dimmed" fz="sm" mt={6}>
                {t("stats.sample", { count: data.sample })}
              </Text>
            </div>
            {points.length > 1 && (
              <Section title={t("stats.over")}>
                <Chart
                  label={t("stats.over")}
                  times={points.map(({ started_at: at }) => new Date(at).getTime() / 1000)}
                  series={[{ label: t("duration"), values: points.map(({ duration_ms: ms }) => ms) }]}
                  format={duration}
                />
              </Section>
            )}
            <Section title={t("stats.kinds")}>
              {data.errors === 0 ? (
                <Text c="dimmed">{t("stats.kinds.none")}</Text>
              ) : (
                <Stack gap="xs" maw={480}>
                  {Object.entries(data.errors_by_type)
                    .sort(([, one], [, other]) => other - one)
                    .map(([kind, number]) => (
                      <div key={kind}>
                        <Group justify="space-between">
                          <Text className="mono">{kind}</Text>
                          <Text>{count(number)}</Text>
                        </Group>
                        <Progress value={(number / data.errors) * 100} color="var(--chart-bad)" aria-label={kind} />
                      </div>
                    ))}
                </Stack>
              )}
            </Section>
          </Stack>
        )
      }
    </Loaded>
  );
}
