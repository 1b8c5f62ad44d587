import type { Schema } from "../api/client";
import { bytes, count } from "../ui/format";
import { Section } from "../ui/Page";
import { Figure, FigureRow } from "./Figures";
import { useMetricsText } from "./strings";

type Live = Schema<"LiveWorker">;

/** What runs at this moment, of one worker or of several. */
export function Now(props: { workers: Live[] }) {
  const t = useMetricsText();
  const { workers } = props;
  const sum = (value: (worker: Live) => number) => workers.reduce((all, worker) => all + value(worker), 0);
  const failed = sum(({ ends }) => Object.values(ends).reduce((all, ended) => all + ended, 0));
  return (
    <Section title={t("now")}>
      <FigureRow>
        <Figure label={t("now.workers")} value={count(sum(({ processes }) => (processes > 0 ? 1 : 0)))} />
        <Figure label={t("now.processes")} value={count(sum(({ processes }) => processes))} />
        <Figure label={t("now.inFlight")} value={count(sum(({ in_flight: now }) => now))} />
        <Figure label={t("now.websockets")} value={count(sum(({ websockets }) => websockets))} />
        <Figure label={t("now.memory")} value={bytes(sum(({ memory_bytes: memory }) => memory))} />
        <Figure
          label={t("now.failed")}
          value={count(failed)}
          text={t("now.failed.text")}
          {...(failed > 0 ? { tone: "warn" as const } : {})}
        />
      </FigureRow>
    </Section>
  );
}
