import { Stack } from "@mantine/core";

import { Commands } from "../../ui/Commands";
import { useOne, WRANGLER } from "../one";
import { Crons } from "./Crons";
import { Domains } from "./Domains";
import { Routes } from "./Routes";
import { Subdomain } from "./Subdomain";

/** What brings requests and events to the worker. */
export function Triggers() {
  const one = useOne();
  return (
    <Stack gap="xl">
      <Subdomain one={one} />
      <Routes one={one} />
      <Domains one={one} />
      <Crons one={one} />
      <Commands
        lines={[
          ...WRANGLER,
          "# in wrangler.jsonc:",
          `"workers_dev": true,`,
          `"routes": [{ "pattern": "example.com/api/*", "zone_name": "example.com" }, { "pattern": "app.example.com", "custom_domain": true }],`,
          `"triggers": { "crons": ["*/5 * * * *"] }`,
          "# then",
          "npx wrangler deploy",
        ]}
      />
    </Stack>
  );
}
