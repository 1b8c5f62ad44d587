// What a call came to: for a test that was just run, and for one that is on record.
import { Badge, Group, Stack, Text } from "@mantine/core";

import { Facts } from "../../ui/Facts";
import { duration } from "../../ui/format";
import { pretty, Shown } from "../../ui/Shown";
import type { CallRecord, Result } from "../api";
import { useFunctionsText } from "../strings";

export function Outcome(props: { call: Result | CallRecord }) {
  const t = useFunctionsText();
  const { call } = props;
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <Badge color={call.success ? "teal" : "red"}>{call.success ? t("ok") : (call.error?.type ?? t("failed"))}</Badge>
        <Badge>{call.cold_start ? t("cold") : t("warm")}</Badge>
      </Group>
      <Facts
        facts={[
          [t("duration"), duration(call.duration_ms)],
          [t("billed"), `${call.billed_ms} ms`],
          [t("memoryUsed"), `${call.memory_mb.toFixed(1)} MB`],
          [t("baseline"), `${call.baseline_mb.toFixed(1)} MB`],
        ]}
      />
      {call.error !== null && (
        <Shown bad label={t("failed")} text={call.error.stack === "" ? `${call.error.type}: ${call.error.message}` : `${call.error.message}\n\n${call.error.stack}`} />
      )}
      {"result" in call && call.success && <Shown label={t("result")} text={pretty(call.result)} />}
      <div>
        <Text fz="sm" fw={500} mb={4}>
          {call.logs.length === 0 ? t("logs.none") : t("logs", { count: call.logs.length })}
        </Text>
        {call.logs.length > 0 && <Shown label={t("logs", { count: call.logs.length })} text={call.logs.join("\n")} tall={220} />}
      </div>
    </Stack>
  );
}
