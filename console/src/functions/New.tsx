import { Group, Radio, Stack, Text } from "@mantine/core";

import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Barred } from "../ui/Barred";
import { Page } from "../ui/Page";
import { useTab } from "../ui/tab";
import { NewRouted } from "./routed/New";
import { NewRun } from "./run/New";
import { useFunctionsText } from "./strings";
import { NewVersioned } from "./versioned/New";

const KINDS = ["run", "routed", "versioned"] as const;

export function New() {
  const t = useFunctionsText();
  const account = useAccount();
  const [kind, setKind] = useTab(KINDS);
  const may = useMay("workers");
  const Form = kind === "run" ? NewRun : kind === "routed" ? NewRouted : NewVersioned;
  return (
    <Page title={t("new.title")} crumbs={[{ label: t("title"), to: `/a/${account}/functions` }]}>
      {may ? (
        <>
          <Radio.Group label={t("new.kind")} value={kind} onChange={setKind}>
            <Group mt={6} gap="sm" align="stretch">
              {KINDS.map((one) => (
                <Radio.Card key={one} value={one} p="sm" flex="1 1 14rem" aria-label={t(`kind.${one}`)}>
                  <Group wrap="nowrap" align="flex-start" gap="sm">
                    <Radio.Indicator mt={2} />
                    <Stack gap={2}>
                      <Text fw={500}>{t(`kind.${one}`)}</Text>
                      <Text fz="sm" c="dimmed">
                        {t(`kind.${one}.text`)}
                      </Text>
                    </Stack>
                  </Group>
                </Radio.Card>
              ))}
            </Group>
          </Radio.Group>
          <Form />
        </>
      ) : (
        <Barred />
      )}
    </Page>
  );
}
