import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useShellText = strings("shell", en, zh);
export type ShellKey = Parameters<ReturnType<typeof useShellText>>[0];
