// How the same is done from a shell.
import { ActionIcon, CopyButton, Tooltip, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Check, ChevronRight, Copy, SquareTerminal } from "lucide-react";

import classes from "./Commands.module.css";
import { useWords } from "./strings";

/** Text to copy, as it is typed. */
export function Snippet(props: { text: string; label?: string }) {
  const t = useWords();
  return (
    <div className={classes.snippet}>
      {/* It scrolls where it is longer than the page is wide, also by keyboard. */}
      <pre tabIndex={0} aria-label={props.label ?? t("commands.title")}>
        {props.text}
      </pre>
      <CopyButton value={props.text}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? t("copied") : t("copy")}>
            <ActionIcon className={classes.copy} variant="subtle" color="gray" onClick={copy} aria-label={t("copy")}>
              {copied ? <Check size={14} /> : <Copy size={14} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </div>
  );
}

/** Closed until it is asked for, at the end of a page or form that changes something. */
export function Commands(props: { lines: string[] }) {
  const t = useWords();
  const [open, { toggle }] = useDisclosure();
  return (
    <div className={classes.commands}>
      <UnstyledButton className={classes.toggle} onClick={toggle} aria-expanded={open}>
        <ChevronRight size={14} className={classes.arrow} data-open={open || undefined} />
        <SquareTerminal size={15} />
        {t("commands.title")}
      </UnstyledButton>
      {open && <Snippet text={props.lines.join("\n")} />}
    </div>
  );
}
