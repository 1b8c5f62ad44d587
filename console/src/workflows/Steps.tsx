// The steps of an instance, in the order they began, each as long as it took.
import { Badge, Text, UnstyledButton } from "@mantine/core";
import { Check, ChevronRight, CircleStop, Clock, LoaderCircle, Mail, X } from "lucide-react";
import { useState } from "react";

import { duration, moment } from "../ui/format";
import { pretty, Shown } from "../ui/Shown";
import classes from "./Steps.module.css";
import { useWorkflowsText } from "./strings";

export interface Step {
  type: "step" | "sleep" | "waitForEvent" | "termination";
  name?: string;
  start?: string | null;
  end?: string | null;
  success?: boolean | null;
  finished?: boolean;
  output?: unknown;
  error?: { name?: string; message?: string } | null;
  attempts?: { start: string | null; end: string | null; success: boolean | null; error: { name?: string; message?: string } | null }[];
}

const wrong = (error: { name?: string; message?: string }) => `${error.name ?? "Error"}: ${error.message ?? ""}`;

/** Names end with the number of steps of that name before them. */
const named = (name: string) => name.replace(/-1$/, "");

export function Steps(props: { steps: Step[] }) {
  const t = useWorkflowsText();
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const { steps } = props;
  if (steps.length === 0) return <Text c="dimmed">{t("steps.none")}</Text>;
  const begins = steps.flatMap(({ start }) => (start == null ? [] : [Date.parse(start)]));
  const ends = steps.map(({ end }) => (end == null ? Date.now() : Date.parse(end)));
  const first = Math.min(...begins);
  const whole = Math.max(...ends) - first || 1;

  const icon = (step: Step) => {
    if (step.type === "termination") return <CircleStop size={16} />;
    if (step.success === true || (step.finished === true && step.error == null)) return <Check size={16} color="var(--good)" />;
    if (step.success === false || step.error != null) return <X size={16} color="var(--bad)" />;
    if (step.type === "sleep") return <Clock size={16} />;
    if (step.type === "waitForEvent") return <Mail size={16} />;
    return <LoaderCircle size={16} />;
  };

  return (
    <ol className={classes.steps}>
      {steps.map((step, at) => {
        const start = step.start == null ? first : Date.parse(step.start);
        const end = step.end == null ? Date.now() : Date.parse(step.end);
        const failures = (step.attempts ?? []).filter(({ success }) => success === false);
        const shown = open.has(at);
        return (
          <li key={at} className={classes.step}>
            <UnstyledButton
              className={classes.head}
              aria-expanded={shown}
              onClick={() => {
                const next = new Set(open);
                if (shown) next.delete(at);
                else next.add(at);
                setOpen(next);
              }}
            >
              <ChevronRight size={14} className={classes.arrow} data-open={shown || undefined} aria-hidden />
              <span className={classes.icon} aria-hidden>{icon(step)}</span>
              <span className={classes.name}>{step.name === undefined ? t("step.termination") : named(step.name)}</span>
              {step.type !== "step" && step.type !== "termination" && <Badge>{t(`step.${step.type}`)}</Badge>}
              {failures.length > 0 && <Badge color="red">{t("attempts", { count: step.attempts?.length ?? 0 })}</Badge>}
              <span className={classes.track} aria-hidden>
                <span
                  className={classes.bar}
                  data-bad={step.success === false || undefined}
                  data-waits={step.type !== "step" || undefined}
                  style={{ marginLeft: `${((start - first) / whole) * 100}%`, width: `${Math.max(1, ((end - start) / whole) * 100)}%` }}
                />
              </span>
              <span className={classes.time}>{step.end == null && step.type !== "termination" ? t("open") : duration(end - start)}</span>
            </UnstyledButton>
            {shown && (
              <div className={classes.more}>
                {step.start != null && (
                  <Text fz="sm" c="dimmed">
                    {moment(step.start)}
                  </Text>
                )}
                {failures.map((attempt, number) => (
                  <Shown key={number} bad label={t("attempt.failed", { number: number + 1 })} text={`${t("attempt.failed", { number: number + 1 })}\n${wrong(attempt.error ?? {})}`} />
                ))}
                {step.error != null && <Shown bad label={t("error")} text={wrong(step.error)} />}
                {step.output !== undefined && step.output !== null && <Shown label={t("output")} text={pretty(step.output)} />}
              </div>
            )}
          </li>
        );
      })}
    </ol>
  );
}
