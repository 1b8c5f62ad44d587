import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

/** Words that every area needs. */
export const useWords = strings("ui", en, zh);
