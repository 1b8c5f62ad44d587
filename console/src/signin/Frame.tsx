import { Center, Group, Paper, SegmentedControl, Stack, Title } from "@mantine/core";
import { useEffect, type ReactNode } from "react";

import { Logo } from "../app/Logo";
import { LANGUAGES, setLanguage, useLanguage, type Language } from "../i18n";
import classes from "./Frame.module.css";

/** What surrounds pages that one sees without being signed in. */
export function Frame(props: { title: string; children: ReactNode }) {
  const language = useLanguage();
  useEffect(() => {
    document.title = `${props.title} · Hearth`;
  }, [props.title]);
  return (
    <Center className={classes.frame} component="main">
      <Stack w={360} maw="100%" gap="lg">
        <Group justify="space-between">
          <Logo />
          <SegmentedControl
            size="xs"
            value={language}
            onChange={(to) => setLanguage(to as Language)}
            data={(Object.keys(LANGUAGES) as Language[]).map((value) => ({ value, label: LANGUAGES[value] }))}
          />
        </Group>
        <Paper p="lg">
          <Title order={1} mb="md">
            {props.title}
          </Title>
          {props.children}
        </Paper>
      </Stack>
    </Center>
  );
}
