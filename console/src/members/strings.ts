import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useMembersText = strings("members", en, zh);
