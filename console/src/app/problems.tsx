import { Button, Container } from "@mantine/core";
import { Link, type ErrorComponentProps } from "@tanstack/react-router";
import { MapPinOff } from "lucide-react";

import { Empty, Failure } from "../ui/states";
import { useShellText } from "./strings";

/** Where a page's code failed, or what it could not do without. */
export function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <Container size="sm" py="xl">
      <Failure error={error} retry={reset} />
    </Container>
  );
}

export function Missing() {
  const t = useShellText();
  return (
    <Container size="sm" py="xl">
      <Empty icon={MapPinOff} title={t("missing.title")} text={t("missing.text")}>
        <Button component={Link} to="/" variant="default">
          {t("missing.home")}
        </Button>
      </Empty>
    </Container>
  );
}
