import { Alert, Button, Group, NumberInput, Paper, Progress, Select, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { api, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";
import { useOperator } from "../api/session";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { bytes, count } from "../ui/format";
import { FormModal } from "../ui/FormModal";
import { Page } from "../ui/Page";
import { Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { useQuotasText } from "./strings";

type All = Schema<"Quotas">;
type Name = keyof All;

const NAMES = ["workers", "instances", "memory_mb", "storage_mb", "requests_per_minute"] as const satisfies Name[];
const PATH = "/client/v4/accounts/{account}/hearth/quotas";

const figure = (name: Name, value: number) => (name.endsWith("_mb") ? bytes(value * 1024 * 1024) : count(value));

export function Quotas() {
  const t = useQuotasText();
  const account = useAccount();
  const operator = useOperator();
  const [open, form] = useDisclosure();
  const quotas = useQuery({
    queryKey: key(account, "quotas"),
    queryFn: () => result(api.GET(PATH, { params: { path: { account } } })),
    refetchInterval: 15_000,
  });
  const change = operator && quotas.data !== undefined && <Button onClick={form.open}>{t("change")}</Button>;
  return (
    <Page title={t("title")} text={t("text")} actions={change}>
      {!operator && <Alert color="gray">{t("readonly")}</Alert>}
      <Loaded query={quotas}>
        {(all) => (
          <>
            <Stack gap="sm">
              {NAMES.map((name) => (
                <One key={name} name={name} quota={all[name]} />
              ))}
            </Stack>
            {operator && <Limits account={account} all={all} opened={open} onClose={form.close} />}
          </>
        )}
      </Loaded>
      <Commands lines={[`hearth quotas show --account ${account}`]} />
    </Page>
  );
}

function One({ name, quota }: { name: Name; quota: Schema<"Quota"> }) {
  const t = useQuotasText();
  const { limit, used, own } = quota;
  const share = limit === null ? 0 : limit === 0 ? 1 : used / limit;
  const color = share >= 1 ? "red.7" : share >= 0.8 ? "yellow.7" : "teal.7";
  const said =
    limit === null
      ? t("usedOnly", { used: figure(name, used) })
      : t("used", { used: figure(name, used), limit: figure(name, limit) });
  return (
    <Paper p="md">
      <Group justify="space-between" gap="xs">
        <Text fw={500}>{t(name)}</Text>
        <Text>{said}</Text>
      </Group>
      {limit !== null && (
        <Progress value={Math.min(share, 1) * 100} color={color} size="sm" mt={8} aria-label={`${t(name)}: ${said}`} />
      )}
      <Text c="dimmed" fz="sm" mt={4}>
        {limit === null ? `${t("none")} · ` : ""}
        {own ? t("own") : t("everybody")}
      </Text>
    </Paper>
  );
}

type Way = "default" | "none" | "own";

function Limits(props: { account: string; all: All; opened: boolean; onClose: () => void }) {
  const t = useQuotasText();
  const [ways, setWays] = useState<Record<Name, Way>>(() => waysOf(props.all));
  const [limits, setLimits] = useState<Record<Name, number | string>>(() => limitsOf(props.all));
  useEffect(() => {
    if (!props.opened) return;
    setWays(waysOf(props.all));
    setLimits(limitsOf(props.all));
    // What is typed stays while figures come in.
  }, [props.opened]);

  async function submit() {
    const sent: Partial<Record<Name, number | null>> = {};
    for (const name of NAMES) {
      if (ways[name] === "none") sent[name] = null;
      if (ways[name] === "own") sent[name] = Number(limits[name]);
    }
    await result(api.PUT(PATH, { params: { path: { account: props.account } }, body: sent }));
    await queries.invalidateQueries({ queryKey: key(props.account, "quotas") });
    done(t("saved"));
  }

  return (
    <FormModal
      title={t("change")}
      action={t("save")}
      opened={props.opened}
      onClose={props.onClose}
      ready={NAMES.every((name) => ways[name] !== "own" || limits[name] !== "")}
      submit={submit}
      size="lg"
    >
      {NAMES.map((name) => (
        <Group key={name} align="flex-end" gap="xs" grow>
          <Select
            label={t(name)}
            data={(["default", "none", "own"] as const).map((way) => ({ value: way, label: t(`way.${way}`) }))}
            value={ways[name]}
            onChange={(way) => setWays({ ...ways, [name]: way as Way })}
            allowDeselect={false}
          />
          {ways[name] === "own" && (
            <NumberInput
              aria-label={t("limit", { name: t(name) })}
              min={0}
              allowDecimal={false}
              value={limits[name]}
              onChange={(value) => setLimits({ ...limits, [name]: value })}
              {...(name.endsWith("_mb") ? { suffix: ` ${t("mib")}` } : {})}
            />
          )}
        </Group>
      ))}
    </FormModal>
  );
}

function each<T>(of: (name: Name) => T): Record<Name, T> {
  return Object.fromEntries(NAMES.map((name) => [name, of(name)])) as Record<Name, T>;
}

function waysOf(all: All): Record<Name, Way> {
  return each((name) => (!all[name].own ? "default" : all[name].limit === null ? "none" : "own"));
}

function limitsOf(all: All): Record<Name, number | string> {
  return each((name) => all[name].limit ?? "");
}
