import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useD1Text = strings("d1", en, zh);
