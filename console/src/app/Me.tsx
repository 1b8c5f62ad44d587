// Who one is, and how this page looks.
import { Menu, Text, UnstyledButton, VisuallyHidden, useMantineColorScheme, type MantineColorScheme } from "@mantine/core";
import { useNavigate, useRouter } from "@tanstack/react-router";
import { Check, CircleUserRound, LogOut } from "lucide-react";

import { signOut, useSession } from "../api/session";
import { LANGUAGES, setLanguage, useLanguage, type Language } from "../i18n";
import { failed } from "../ui/toast";
import { NAV } from "./areas";
import classes from "./Me.module.css";
import { useShellText } from "./strings";

const SCHEMES: MantineColorScheme[] = ["light", "dark", "auto"];

export function Me() {
  const t = useShellText();
  const { data: session } = useSession();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const language = useLanguage();
  const navigate = useNavigate();
  const router = useRouter();
  const user = session?.user ?? null;
  const name = user?.name ?? user?.email ?? (session?.kind === "token" ? t("me.token") : t("me.dev"));

  async function leave() {
    try {
      await signOut();
    } catch (error) {
      failed(error);
      return;
    }
    await router.invalidate();
    await navigate({ to: "/sign-in", search: {} });
  }

  return (
    <Menu width={230} position="top-start">
      <Menu.Target>
        <UnstyledButton className={classes.me}>
          <CircleUserRound size={18} strokeWidth={1.6} />
          <span className="cut">{name}</span>
          <VisuallyHidden>{t("me.menu")}</VisuallyHidden>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {user !== null && (
          <Text fz="xs" c="dimmed" px="sm" py={4} className="cut">
            {user.email}
          </Text>
        )}
        {NAV.filter(({ group }) => group === "me").map(({ to, label, icon: Icon }) => (
          <Menu.Item key={to} leftSection={<Icon size={14} />} onClick={() => void navigate({ to })}>
            {t(label)}
          </Menu.Item>
        ))}
        <Menu.Label>{t("look.scheme")}</Menu.Label>
        {SCHEMES.map((scheme) => (
          <Menu.Item
            key={scheme}
            closeMenuOnClick={false}
            rightSection={scheme === colorScheme ? <Check size={14} /> : null}
            onClick={() => setColorScheme(scheme)}
          >
            {t(`look.${scheme}`)}
          </Menu.Item>
        ))}
        <Menu.Label>{t("look.language")}</Menu.Label>
        {(Object.keys(LANGUAGES) as Language[]).map((code) => (
          <Menu.Item
            key={code}
            lang={code}
            closeMenuOnClick={false}
            rightSection={code === language ? <Check size={14} /> : null}
            onClick={() => setLanguage(code)}
          >
            {LANGUAGES[code]}
          </Menu.Item>
        ))}
        {session?.kind !== "dev" && (
          <>
            <Menu.Divider />
            <Menu.Item leftSection={<LogOut size={14} />} onClick={() => void leave()}>
              {t("me.signOut")}
            </Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
