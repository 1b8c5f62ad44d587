import { Badge, Button, Group, Menu, Modal, Stack, Text } from "@mantine/core";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";

import { useSession } from "../api/session";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Commands, Snippet } from "../ui/Commands";
import { useConfirm, type Question } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago, moment } from "../ui/format";
import { Once } from "../ui/Once";
import { Page } from "../ui/Page";
import { RowMenu } from "../ui/RowMenu";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { permissionsOf } from "./policies";
import { useTokensText } from "./strings";
import { TokenForm } from "./TokenForm";
import { again, revoke, roll, update, useTokens, type Owner, type Shown, type Token } from "./tokens";

const COLORS = { active: "teal", disabled: "gray", expired: "red" } as const;

/** Whether the caller may make tokens of an account, or of his own: then he is a person, or answers for the installation. */
function useMayMake(owner: Owner): boolean {
  const ofAccount = useMay("account_tokens");
  const { data: session } = useSession();
  return owner === undefined ? session?.operator === true || session?.kind === "user" : ofAccount;
}

function Listing({ owner }: { owner: Owner }) {
  const t = useTokensText();
  const words = useWords();
  const tokens = useTokens(owner);
  const may = useMayMake(owner);
  // Undefined: no form; null: of a new one.
  const [editing, setEditing] = useState<Token | null>();
  const [shown, setShown] = useState<Shown>();

  const columns: Column<Token>[] = [
    {
      id: "name",
      header: t("name"),
      cell: ({ name }) => (
        <Text fw={500} className="cut">
          {name}
        </Text>
      ),
      value: ({ name }) => name,
    },
    {
      id: "state",
      header: t("state"),
      width: "6.5rem",
      cell: ({ status }) => (
        <Badge color={COLORS[status]} c="var(--mantine-color-text)">
          {t(`state.${status}`)}
        </Badge>
      ),
      value: ({ status }) => status,
    },
    {
      id: "may",
      header: t("may"),
      width: "minmax(0, 1.6fr)",
      wide: true,
      cell: ({ policies }) => <Text className="cut" title={permissionsOf(policies)}>{permissionsOf(policies)}</Text>,
    },
    {
      id: "used",
      header: t("used"),
      width: "8rem",
      wide: true,
      cell: ({ last_used_on: when }) => <Text c="dimmed">{when === undefined ? words("never") : ago(when)}</Text>,
      value: ({ last_used_on: when }) => when ?? "",
    },
    {
      id: "expires",
      header: t("expires"),
      width: "8rem",
      wide: true,
      cell: ({ expires_on: when }) =>
        when === undefined ? (
          <Text c="dimmed">{words("never")}</Text>
        ) : (
          <Text title={moment(when)}>{ago(when)}</Text>
        ),
      value: ({ expires_on: when }) => when ?? "9",
    },
    {
      id: "menu",
      header: "",
      width: "2.2rem",
      cell: (token) => may && <Actions owner={owner} token={token} edit={() => setEditing(token)} onValue={setShown} />,
    },
  ];
  const create = (
    <Button leftSection={<Plus size={14} />} onClick={() => setEditing(null)}>
      {t("create")}
    </Button>
  );
  const base = owner === undefined ? "user/tokens" : `accounts/${owner}/tokens`;
  return (
    <Page
      title={owner === undefined ? t("title.own") : t("title")}
      text={owner === undefined ? t("text.own") : t("text")}
      actions={may && create}
    >
      <Loaded query={tokens}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={KeyRound} title={t("empty.title")} text={t("empty.text")} />
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ id }) => id}
              text={({ name, policies }) => `${name} ${permissionsOf(policies)}`}
              filterLabel={t("find")}
              {...(may ? { onOpen: setEditing } : {})}
              sort={{ id: "name" }}
            />
          )
        }
      </Loaded>
      <Commands
        lines={[
          "CLOUDFLARE_API_BASE_URL=$HEARTH/client/v4 CLOUDFLARE_API_TOKEN=$TOKEN npx wrangler deploy",
          `curl -H "Authorization: Bearer $TOKEN" $HEARTH/client/v4/${base}`,
        ]}
      />
      {editing !== undefined && (
        <TokenForm
          owner={owner}
          present={editing ?? undefined}
          onClose={() => setEditing(undefined)}
          onValue={setShown}
        />
      )}
      <Modal
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        title={<Text fw={600}>{t("once", { name: shown?.name ?? "" })}</Text>}
        size="xl"
        withCloseButton={false}
        closeOnClickOutside={false}
        closeOnEscape={false}
      >
        {shown !== undefined && (
          <Stack>
            <Once text={shown.value} label={t("once", { name: shown.name })} warning={t("once.warning")} />
            {shown.s3 !== undefined && <S3Key id={shown.id} secret={shown.s3} />}
            <Group justify="flex-end">
              <Button onClick={() => setShown(undefined)}>{t("once.done")}</Button>
            </Group>
          </Stack>
        )}
      </Modal>
    </Page>
  );
}

/** The same token as S3 clients have it. */
function S3Key(props: { id: string; secret: string }) {
  const t = useTokensText();
  return (
    <div>
      <Text fw={500}>{t("s3")}</Text>
      <Text c="dimmed" fz="sm" mb={6}>
        {t("s3.text")}
      </Text>
      <Snippet text={`AWS_ACCESS_KEY_ID=${props.id}\nAWS_SECRET_ACCESS_KEY=${props.secret}`} label={t("s3")} />
    </div>
  );
}

function Actions(props: { owner: Owner; token: Token; edit: () => void; onValue: (shown: Shown) => void }) {
  const t = useTokensText();
  const words = useWords();
  const confirm = useConfirm();
  const { owner, token } = props;
  const { id, name, status } = token;

  async function act(call: () => Promise<unknown>, question?: Question) {
    if (question !== undefined && !(await confirm(question))) return;
    try {
      await call();
    } catch (error) {
      failed(error);
    }
  }

  const become = (to: "active" | "disabled") =>
    act(async () => {
      await update(owner, id, again(token, { status: to }));
      done(t(to === "active" ? "enabled" : "disabled", { name }));
    });
  return (
    <RowMenu label={t("menu", { name })}>
      <Menu.Item onClick={props.edit}>{words("edit")}</Menu.Item>
      <Menu.Item
        onClick={() =>
          void act(async () => props.onValue(await roll(owner, token)), {
            title: t("roll.title", { name }),
            lost: t("roll.lost"),
            action: t("roll"),
          })
        }
      >
        {t("roll")}
      </Menu.Item>
      {status === "disabled" ? (
        <Menu.Item onClick={() => void become("active")}>{t("enable")}</Menu.Item>
      ) : (
        <Menu.Item onClick={() => void become("disabled")}>{t("disable")}</Menu.Item>
      )}
      <Menu.Divider />
      <Menu.Item
        color="red"
        onClick={() =>
          void act(
            async () => {
              await revoke(owner, id);
              done(t("revoked", { name }));
            },
            { title: t("revoke.title", { name }), lost: t("revoke.lost", { name }), action: t("revoke") },
          )
        }
      >
        {t("revoke")}
      </Menu.Item>
    </RowMenu>
  );
}

export function AccountTokens() {
  const account = useAccount();
  return <Listing key={account} owner={account} />;
}

export function OwnTokens() {
  return <Listing owner={undefined} />;
}
