import { Menu, ScrollArea, Text, TextInput, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { Check, ChevronsUpDown } from "lucide-react";
import { useEffect, useState } from "react";

import { useAccounts } from "../api/session";
import { keepAccount, useAccount } from "./account";
import classes from "./AccountSwitcher.module.css";
import { useShellText } from "./strings";

/** Accounts before the list has a filter. */
const MANY = 8;

export function AccountSwitcher() {
  const t = useShellText();
  const account = useAccount();
  const navigate = useNavigate();
  const { data: accounts } = useAccounts();
  const [filter, setFilter] = useState("");
  useEffect(() => {
    if (account !== "") keepAccount(account);
  }, [account]);
  if (accounts === undefined || accounts.length === 0) return null;
  const present = accounts.find(({ id }) => id === account);
  const shown = accounts.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()));
  return (
    <Menu width="target" position="bottom-start" onClose={() => setFilter("")}>
      <Menu.Target>
        <UnstyledButton className={classes.button}>
          <span className={classes.initial} data-initial={(present?.name ?? "?").slice(0, 1).toUpperCase()} />
          <span className="cut">{present?.name ?? account}</span>
          <VisuallyHidden>{t("account.switch")}</VisuallyHidden>
          <ChevronsUpDown size={14} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {accounts.length > MANY && (
          <TextInput
            placeholder={t("account.find")}
            aria-label={t("account.find")}
            value={filter}
            onChange={(event) => setFilter(event.currentTarget.value)}
            mb={4}
          />
        )}
        <ScrollArea.Autosize mah={320}>
          {shown.map(({ id, name }) => (
            <Menu.Item
              key={id}
              rightSection={id === account ? <Check size={14} /> : null}
              onClick={() => void navigate({ to: "/a/$account", params: { account: id } })}
            >
              <Text className="cut">{name}</Text>
              <Text className="mono cut" fz="xs" c="dimmed">
                {id}
              </Text>
            </Menu.Item>
          ))}
        </ScrollArea.Autosize>
      </Menu.Dropdown>
    </Menu>
  );
}
