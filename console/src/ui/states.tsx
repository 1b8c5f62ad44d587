// What a page shows when it has nothing, not yet, or no luck.
import { Alert, Button, Group, Skeleton, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { CircleAlert, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

import { explain } from "./explain";
import classes from "./states.module.css";
import { useWords } from "./strings";

/** Nothing is there: what it would be, and how to get it. `small` where it is one part of a page among others. */
export function Empty(props: { icon: LucideIcon; title: string; text: string; small?: boolean; children?: ReactNode }) {
  const Icon = props.icon;
  if (props.small === true) {
    return (
      <Group gap="sm" px="md" py="sm" wrap="nowrap" className={classes.empty}>
        <Icon size={18} strokeWidth={1.6} aria-hidden className={classes.icon} />
        <div>
          <Text fw={500}>{props.title}</Text>
          <Text c="dimmed" fz="sm">
            {props.text}
          </Text>
        </div>
      </Group>
    );
  }
  return (
    <Stack align="center" gap="xs" py={56} px="md" className={classes.empty}>
      <ThemeIcon variant="default" size={44} radius="md" aria-hidden>
        <Icon size={20} strokeWidth={1.6} />
      </ThemeIcon>
      <Title order={2} mt={6}>
        {props.title}
      </Title>
      <Text c="dimmed" ta="center" maw={440}>
        {props.text}
      </Text>
      {props.children !== undefined && (
        <Group mt="sm" justify="center">
          {props.children}
        </Group>
      )}
    </Stack>
  );
}

/** A call failed: what happened, what the server said, what to do, and a way to try again. */
export function Failure(props: { error: unknown; retry?: () => void; compact?: boolean }) {
  const t = useWords();
  const { title, said, help } = explain(props.error);
  return (
    <Alert color="red" variant="light" icon={<CircleAlert size={18} />} title={title} role="alert">
      {said !== "" && <Text className={classes.said}>{said}</Text>}
      {!(props.compact ?? false) && (
        <Text c="dimmed" mt={4}>
          {help}
        </Text>
      )}
      {props.retry !== undefined && (
        <Button variant="default" mt="sm" onClick={props.retry}>
          {t("retry")}
        </Button>
      )}
    </Alert>
  );
}

/** Rows on their way. */
export function Loading(props: { rows?: number }) {
  const t = useWords();
  return (
    <Stack gap={10} role="status" aria-label={t("loading")}>
      {Array.from({ length: props.rows ?? 5 }, (_, row) => (
        <Skeleton key={row} height={row === 0 ? 18 : 30} width={row === 0 ? "35%" : "100%"} radius="sm" />
      ))}
    </Stack>
  );
}

/** As much of a query as its page draws. */
export interface Asked<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

/** One of the three for a query, and its data when there is some. */
export function Loaded<T>(props: { query: Asked<T>; rows?: number; children: (data: T) => ReactNode }) {
  const { data, error, refetch } = props.query;
  if (data !== undefined) return <>{props.children(data)}</>;
  if (error !== null && error !== undefined) return <Failure error={error} retry={() => void refetch()} />;
  return <Loading {...(props.rows === undefined ? {} : { rows: props.rows })} />;
}
