import { Badge, Button, Group, Modal, Paper, Radio, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { KeySquare, Plus, Trash2 } from "lucide-react";
import { useState, type FormEvent } from "react";

import { api, body, result, type Schema } from "../../api/client";
import { useMay } from "../../app/rights";
import { Commands, Snippet } from "../../ui/Commands";
import { useAsked } from "../../ui/confirm";
import { ago, moment } from "../../ui/format";
import { Section } from "../../ui/Page";
import { RowAction } from "../../ui/RowAction";
import { useSending } from "../../ui/sending";
import { Empty, Failure, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { changed, oneKey, useOne, type One } from "../one";
import { Rows } from "../settings/Rows";
import { useWorkersText } from "../strings";

const RULE = "/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/access";
const TOKENS = "/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/tokens";
const RULES = ["open", "token", "internal"] as const;
type Rule = Schema<"AccessRule">["rule"];

/** Who may reach the worker from outside. */
export function Access() {
  const t = useWorkersText();
  const one = useOne();
  const may = useMay("workers");
  const rule = useQuery({
    queryKey: oneKey(one, "access"),
    queryFn: () => result(api.GET(RULE, { params: { path: one } })),
  });
  const set = useMutation({
    mutationFn: async (to: Rule) => {
      await result(api.PUT(RULE, { params: { path: one }, body: { rule: to } }));
      await changed(one);
    },
    onSuccess: () => done(t("access.changed")),
    onError: failed,
  });
  return (
    <Stack gap="xl">
      <Section title={t("access.rule")} text={t("access.text")}>
        <Loaded query={rule} rows={3}>
          {(found) => (
            <Paper p="md">
              <Radio.Group value={found.rule} onChange={(to) => set.mutate(to as Rule)} aria-label={t("access.rule")}>
                <Stack gap="sm">
                  {RULES.map((value) => (
                    <Radio key={value} value={value} label={t(`rule.${value}`)} description={t(`rule.${value}.text`)} disabled={!may || set.isPending} />
                  ))}
                </Stack>
              </Radio.Group>
            </Paper>
          )}
        </Loaded>
      </Section>
      <Tokens one={one} />
      <Commands
        lines={[
          `hearth access set ${one.worker} token`,
          `hearth access grant ${one.worker} NAME --expires 30d`,
          `curl -H "Authorization: Bearer TOKEN" …`,
        ]}
      />
    </Stack>
  );
}

function Tokens(props: { one: One }) {
  const t = useWorkersText();
  const { one } = props;
  const asked = useAsked();
  const may = useMay("workers");
  const [making, setMaking] = useState(false);
  const tokens = useQuery({
    queryKey: oneKey(one, "tokens"),
    queryFn: () => result(api.GET(TOKENS, { params: { path: one } })),
  });

  async function revoke({ id, name }: Schema<"AccessToken">) {
    await asked({ title: t("token.revoke", { name }), lost: t("token.revoke.lost"), action: t("token.revoke.do") }, async () => {
      await body(api.DELETE(`${TOKENS}/{token}`, { params: { path: { ...one, token: id } } }));
      await tokens.refetch();
    });
  }

  return (
    <Section
      title={t("tokens")}
      text={t("tokens.text")}
      actions={
        may && (
          <Button variant="default" leftSection={<Plus size={14} />} onClick={() => setMaking(true)}>
            {t("token.add")}
          </Button>
        )
      }
    >
      <Loaded query={tokens} rows={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty small icon={KeySquare} title={t("tokens.none")} text={t("tokens.none.text")} />
          ) : (
            <Rows
              rows={list.map((token) => ({
                name: token.name,
                value: (
                  <Group gap="xs" wrap="nowrap">
                    <Badge color={token.status === "active" ? "teal" : "gray"}>{t(`token.${token.status}`)}</Badge>
                    <Text c="dimmed" fz="sm" className="cut">
                      {ago(token.created_on)}
                      {token.expires_on !== null && ` · ${t("token.until", { when: moment(token.expires_on) })}`}
                    </Text>
                  </Group>
                ),
                actions: may && <RowAction icon={Trash2} label={`${t("token.revoke.do")} ${token.name}`} onClick={() => void revoke(token)} />,
              }))}
            />
          )
        }
      </Loaded>
      {making && (
        <Make
          one={one}
          onClose={() => {
            setMaking(false);
            void tokens.refetch();
          }}
        />
      )}
    </Section>
  );
}

const DAYS = { never: 0, week: 7, month: 30, year: 365 } as const;
type Lasts = keyof typeof DAYS;

function Make(props: { one: One; onClose: () => void }) {
  const t = useWorkersText();
  const words = useWords();
  const [name, setName] = useState("");
  const [lasts, setLasts] = useState<Lasts>("never");
  const [made, setMade] = useState<string>();
  const { busy, error, send } = useSending();

  function make(event: FormEvent) {
    event.preventDefault();
    const days = DAYS[lasts];
    const expires = days === 0 ? {} : { expires_on: new Date(Date.now() + days * 86_400_000).toISOString() };
    void send(async () => {
      const token = await result(api.POST(TOKENS, { params: { path: props.one }, body: { name, ...expires } }));
      setMade(token.token);
    });
  }

  return (
    <Modal opened onClose={props.onClose} title={<Text fw={600}>{t("token.add")}</Text>} closeButtonProps={{ "aria-label": words("close") }}>
      {made !== undefined ? (
        <Stack>
          <Text>{t("token.once")}</Text>
          <Snippet text={made} label={t("token.text")} />
          <Group justify="flex-end">
            <Button onClick={props.onClose}>{words("close")}</Button>
          </Group>
        </Stack>
      ) : (
        <form onSubmit={make}>
          <Stack>
            {error !== undefined && <Failure error={error} />}
            <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} required withAsterisk={false} data-autofocus />
            <Select
              label={t("token.lasts")}
              data={(Object.keys(DAYS) as Lasts[]).map((value) => ({ value, label: t(`lasts.${value}`) }))}
              value={lasts}
              onChange={(value) => setLasts((value ?? "never") as Lasts)}
              allowDeselect={false}
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={props.onClose}>
                {words("cancel")}
              </Button>
              <Button type="submit" loading={busy}>
                {words("create")}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}
