import { Badge, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { AlarmClock, Play, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, result } from "../../api/client";
import { useMay } from "../../app/rights";
import { useAsked } from "../../ui/confirm";
import { ago, duration } from "../../ui/format";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { Empty, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { changed, oneKey, type One } from "../one";
import { Rows } from "../settings/Rows";
import { useWorkersText } from "../strings";
import { Add } from "./Add";

const SCHEDULES = "/client/v4/accounts/{account}/workers/scripts/{worker}/schedules";
const RUNS = "/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/scheduled";

/** When the scheduled handler runs, and how it went. */
export function Crons(props: { one: One }) {
  const t = useWorkersText();
  const words = useWords();
  const asked = useAsked();
  const may = useMay("workers");
  const { one } = props;
  const [running, setRunning] = useState<string>();
  const schedules = useQuery({
    queryKey: oneKey(one, "schedules"),
    queryFn: async () => (await result(api.GET(SCHEDULES, { params: { path: one } }))).schedules,
  });
  const runs = useQuery({
    queryKey: oneKey(one, "runs"),
    queryFn: () => result(api.GET(RUNS, { params: { path: one } })),
  });
  const crons = (schedules.data ?? []).map((schedule) => schedule.cron);

  async function replace(to: string[]) {
    await result(api.PUT(SCHEDULES, { params: { path: one }, body: to.map((each) => ({ cron: each })) }));
    await changed(one);
    done(words("saved"));
  }

  const remove = (which: string) =>
    asked({ title: t("cron.remove", { name: which }), lost: t("cron.remove.lost"), action: words("delete") }, () =>
      replace(crons.filter((each) => each !== which)),
    );

  async function run(which: string) {
    setRunning(which);
    try {
      const outcome = await result(api.POST(RUNS, { params: { path: one }, body: { cron: which } }));
      done(t("cron.ran", { outcome: outcome.error ?? outcome.outcome, took: duration(outcome.duration_ms) }));
      await runs.refetch();
    } catch (fault) {
      failed(fault);
    } finally {
      setRunning(undefined);
    }
  }

  return (
    <Section title={t("crons")} text={t("crons.text")}>
      <Loaded query={schedules} rows={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty small icon={AlarmClock} title={t("crons.none")} text={t("crons.none.text")} />
          ) : (
            <Rows
              rows={list.map(({ cron: each }) => {
                const last = runs.data?.find((one) => one.cron === each);
                return {
                  name: each,
                  value:
                    last === undefined ? (
                      <Text c="dimmed">{t("cron.never")}</Text>
                    ) : (
                      <Group gap="xs" wrap="nowrap">
                        <Badge color={last.outcome === "ok" ? "teal" : "red"}>{last.outcome}</Badge>
                        <Text c="dimmed" fz="sm" className="cut">
                          {ago(last.started_on)} · {duration(last.duration_ms)} {last.error ?? ""}
                        </Text>
                      </Group>
                    ),
                  actions: may && (
                    <>
                      <RowAction icon={Play} label={`${t("cron.run")} ${each}`} loading={running === each} onClick={() => void run(each)} />
                      <RowAction icon={Trash2} label={`${words("delete")} ${each}`} onClick={() => void remove(each)} />
                    </>
                  ),
                };
              })}
            />
          )
        }
      </Loaded>
      {may && <Add label={t("cron.add")} placeholder="*/15 * * * *" ready={schedules.data !== undefined} add={(cron) => replace([...crons, cron])} />}
    </Section>
  );
}
