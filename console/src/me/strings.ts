import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useMeText = strings("me", en, zh);
