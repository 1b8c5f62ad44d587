import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useAccessText = strings("access", en, zh);
