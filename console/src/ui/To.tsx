// Links: to a page, in a table or a text, and to what is served elsewhere.
import { Anchor, type AnchorProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { ExternalLink } from "lucide-react";
import type { AnchorHTMLAttributes, Ref } from "react";

type Props = AnchorProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps> & { ref?: Ref<HTMLAnchorElement> };

export const To = createLink((props: Props) => <Anchor c="inherit" {...props} />);

/** The address of what is served: it opens beside this page. */
export function Out({ href, children }: { href: string; children: string }) {
  return (
    <Anchor href={href} target="_blank" rel="noreferrer" fz="sm">
      {children} <ExternalLink size={12} aria-hidden />
    </Anchor>
  );
}
