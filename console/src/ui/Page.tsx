// The frame of every page: where one is, its title, what can be done, and the rest.
import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useEffect, type ReactNode } from "react";

import classes from "./Page.module.css";

/** A page further up: its name and its path. */
export interface Crumb {
  label: string;
  to: string;
}

export function Page(props: {
  title: string;
  /** What stands beside the title: a state, a kind. */
  badge?: ReactNode;
  text?: ReactNode;
  crumbs?: Crumb[];
  actions?: ReactNode;
  /** As wide as the window, for tables with many columns and editors. */
  wide?: boolean;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${props.title} · Hearth`;
  }, [props.title]);
  return (
    <div className={props.wide === true ? classes.wide : classes.page}>
      <Stack gap="lg">
        <header>
          {props.crumbs !== undefined && (
            <Breadcrumbs separator="/" mb={4} className={classes.crumbs}>
              {props.crumbs.map((crumb) => (
                <Anchor key={crumb.to} component={Link} to={crumb.to} fz="sm" c="dimmed">
                  {crumb.label}
                </Anchor>
              ))}
            </Breadcrumbs>
          )}
          <Group justify="space-between" align="center" gap="sm">
            <Group gap="sm" className={classes.heading}>
              <Title order={1} className={classes.title}>
                {props.title}
              </Title>
              {props.badge}
            </Group>
            {props.actions !== undefined && <Group gap="xs">{props.actions}</Group>}
          </Group>
          {props.text !== undefined && (
            <Text c="dimmed" mt={4} maw={720}>
              {props.text}
            </Text>
          )}
        </header>
        {props.children}
      </Stack>
    </div>
  );
}

/** A titled part of a page. */
export function Section(props: { title: string; text?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <section>
      <Group justify="space-between" mb="xs" gap="xs">
        <div>
          <Title order={2}>{props.title}</Title>
          {props.text !== undefined && (
            <Text c="dimmed" fz="sm" maw={680}>
              {props.text}
            </Text>
          )}
        </div>
        {props.actions !== undefined && <Group gap="xs">{props.actions}</Group>}
      </Group>
      {props.children}
    </section>
  );
}
