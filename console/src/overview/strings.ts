import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useOverviewText = strings("overview", en, zh);
