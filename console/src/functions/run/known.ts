import type { Schema } from "../../api/client";
import type { Runtime } from "../templates";

/** A function with what it was made of. */
export type Known = Required<Schema<"FunctionWithSource">>;

export const runtimeOf = ({ runtime, language }: Known): Runtime => (language === "typescript" ? "typescript" : runtime);

/** Dependencies as one edits them. */
export function dependenciesOf({ dependencies }: Known): string {
  if (dependencies === null) return "";
  return typeof dependencies === "string" ? dependencies : JSON.stringify(dependencies, null, 2);
}
