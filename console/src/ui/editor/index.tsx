// An editor of code, loaded when a page first has one.
import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";

import type { EditorProps } from "./Code";

export type { EditorProps, EditorLanguage } from "./Code";

const Code = lazy(() => import("./Code").then(({ Code }) => ({ default: Code })));

export function Editor(props: EditorProps) {
  return (
    <Suspense fallback={<Skeleton height={props.height ?? "20rem"} radius="sm" />}>
      <Code {...props} />
    </Suspense>
  );
}
