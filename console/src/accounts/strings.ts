import { strings } from "../i18n";
import { en } from "./en";
import { zh } from "./zh";

export const useAccountsText = strings("accounts", en, zh);
