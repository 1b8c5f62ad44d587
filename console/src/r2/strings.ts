import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useR2Text = strings("r2", en, zh);
