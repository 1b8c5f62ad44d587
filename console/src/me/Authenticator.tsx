import { Badge, Button, Center, Group, Modal, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { api, body, type Schema } from "../api/client";
import { Snippet } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { FormModal } from "../ui/FormModal";
import { Once } from "../ui/Once";
import { Section } from "../ui/Page";
import { done, failed } from "../ui/toast";
import { changed } from "./account";
import { useConfirmed } from "./again";
import { Qr } from "./Qr";
import { useMeText } from "./strings";

interface Begun {
  secret: string;
  url: string;
}

export function Authenticator({ own }: { own: Schema<"SigninAccount"> }) {
  const t = useMeText();
  const confirm = useConfirm();
  const [confirmed, dialog] = useConfirmed();
  const [begun, setBegun] = useState<Begun>();
  const [code, setCode] = useState("");
  const [codes, setCodes] = useState<string[]>();

  const said = (password?: string) => ({ body: password === undefined ? {} : { password } });

  async function begin() {
    try {
      const made = await confirmed((password) => body(api.POST("/api/account/totp", said(password))));
      if (made === null) return;
      setCode("");
      setBegun(made);
    } catch (error) {
      failed(error);
    }
  }

  async function renew() {
    if (!(await confirm({ title: t("codes.renew"), lost: t("codes.lost"), action: t("codes.renew") }))) return;
    try {
      const made = await confirmed((password) => body(api.POST("/api/account/recovery-codes", said(password))));
      if (made === null) return;
      setCodes(made.recovery_codes);
      await changed();
    } catch (error) {
      failed(error);
    }
  }

  async function remove() {
    if (!(await confirm({ title: t("totp"), lost: t("totp.lost"), action: t("totp.remove") }))) return;
    try {
      const removed = await confirmed(async (password) => {
        await body(api.DELETE("/api/account/totp", said(password)));
        return true;
      });
      if (removed === null) return;
      await changed();
      done(t("totp.removed"));
    } catch (error) {
      failed(error);
    }
  }

  return (
    <Section
      title={t("totp")}
      actions={
        <>
          {own.two_factor && (
            <>
              <Button variant="default" onClick={() => void renew()}>
                {t("codes.renew")}
              </Button>
              <Button variant="default" onClick={() => void remove()}>
                {t("totp.remove")}
              </Button>
            </>
          )}
          <Button variant={own.two_factor ? "default" : "filled"} onClick={() => void begin()}>
            {own.two_factor ? t("totp.again") : t("totp.setUp")}
          </Button>
        </>
      }
    >
      <Paper p="md">
        <Group gap="sm">
          <Badge color={own.two_factor ? "teal" : "gray"} c="var(--mantine-color-text)">
            {own.two_factor ? t("totp.on") : t("totp.off")}
          </Badge>
          <Text c="dimmed">
            {own.two_factor ? t("totp.left", { count: own.recovery_codes }) : t("totp.text")}
          </Text>
        </Group>
      </Paper>
      {dialog}
      <FormModal
        title={t("totp")}
        action={t("totp.confirm")}
        opened={begun !== undefined}
        onClose={() => setBegun(undefined)}
        ready={/^\d{6}$/.test(code.replaceAll(/\s/g, ""))}
        submit={async () => {
          const sent = { code: code.replaceAll(/\s/g, "") };
          const { recovery_codes } = await body(api.PUT("/api/account/totp", { body: sent }));
          setCodes(recovery_codes);
          await changed();
        }}
      >
        <Text>{t("totp.scan")}</Text>
        {begun !== undefined && (
          <>
            <Center>
              <Qr text={begun.url} label={t("totp.qr")} />
            </Center>
            <Snippet text={begun.secret} label={t("totp.key")} />
          </>
        )}
        <TextInput
          label={t("totp.code")}
          inputMode="numeric"
          autoComplete="one-time-code"
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
          data-autofocus
        />
      </FormModal>
      <Modal
        opened={codes !== undefined}
        onClose={() => setCodes(undefined)}
        title={<Text fw={600}>{t("codes")}</Text>}
        withCloseButton={false}
        closeOnClickOutside={false}
        closeOnEscape={false}
      >
        <Stack>
          <Once text={(codes ?? []).join("\n")} label={t("codes")} warning={t("codes.warning")} />
          <Group justify="flex-end">
            <Button onClick={() => setCodes(undefined)} data-autofocus>
              {t("codes.kept")}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Section>
  );
}
