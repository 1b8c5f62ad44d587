import { ActionIcon, Button, Group, Paper, Progress, Stack, Text } from "@mantine/core";
import { Check, RotateCw, X } from "lucide-react";

import { explain } from "../ui/explain";
import { bytes, percent } from "../ui/format";
import { useR2Text } from "./strings";
import type { Sending } from "./uploads";

/** Lines that are drawn; the rest is a number. */
const DRAWN = 100;

interface Props {
  list: Sending[];
  cancel: (id: number) => void;
  again: (id: number) => void;
  clear: () => void;
}

export function Uploads({ list, cancel, again, clear }: Props) {
  const t = useR2Text();
  if (list.length === 0) return null;
  const open = list.filter(({ state }) => state === "sending" || state === "waiting");
  const sent = list.filter(({ state }) => state === "done").length;
  const of = (one: Sending) => {
    if (one.state === "sending") return percent(one.share);
    if (one.state === "waiting") return t("up.waiting");
    if (one.state === "done") return t("up.done");
    if (one.state === "cancelled") return t("up.cancelled");
    const { title, said } = explain(one.error);
    return said === "" ? title : said;
  };
  // What moves and what failed comes first.
  const order = { failed: 0, sending: 1, waiting: 2, cancelled: 3, done: 4 } as const;
  const shown = [...list].sort((one, other) => order[one.state] - order[other.state]).slice(0, DRAWN);
  return (
    <Paper p="sm" role="region" aria-label={t("up.title")}>
      <Group justify="space-between" mb="xs">
        <Text fw={600} fz="sm" role="status">
          {open.length === 0 ? t("up.all", { count: sent }) : `${t("up.title")} ${sent}/${list.length}`}
        </Text>
        {open.length < list.length && (
          <Button variant="subtle" color="gray" onClick={clear}>
            {t("up.clear")}
          </Button>
        )}
      </Group>
      <Stack gap={8} mah={260} style={{ overflow: "auto" }}>
        {shown.map((one) => (
          <div key={one.id}>
            <Group gap="xs" wrap="nowrap">
              <Text fz="sm" className="cut mono" flex={1}>
                {one.key}
              </Text>
              <Text fz="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
                {bytes(one.size)}
              </Text>
              <Text fz="xs" c={one.state === "failed" ? "var(--bad)" : "dimmed"} className="cut" maw={260}>
                {of(one)}
              </Text>
              {one.state === "done" ? (
                <Check size={15} color="var(--good)" aria-hidden />
              ) : one.state === "sending" || one.state === "waiting" ? (
                <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("up.cancel", { name: one.key })} onClick={() => cancel(one.id)}>
                  <X size={14} />
                </ActionIcon>
              ) : (
                <ActionIcon size="sm" variant="subtle" color="gray" aria-label={t("up.retry", { name: one.key })} onClick={() => again(one.id)}>
                  <RotateCw size={14} />
                </ActionIcon>
              )}
            </Group>
            {one.state === "sending" && <Progress value={one.share * 100} size={3} mt={4} aria-label={one.key} />}
          </div>
        ))}
      </Stack>
    </Paper>
  );
}
