import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useProvidersText = strings("providers", en, zh);
