import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Commands } from "../../ui/Commands";
import { Loaded } from "../../ui/states";
import { settingsQuery, useOne, WRANGLER } from "../one";
import { Bindings } from "./Bindings";
import { Limits } from "./Limits";
import { Secrets } from "./Secrets";
import { Variables } from "./Variables";

export function Settings() {
  const one = useOne();
  const settings = useQuery(settingsQuery(one));
  return (
    <Stack gap="xl">
      <Loaded query={settings}>
        {(found) => (
          <>
            <Variables one={one} settings={found} />
            <Secrets one={one} />
            <Bindings one={one} settings={found} />
            <Limits one={one} settings={found} />
          </>
        )}
      </Loaded>
      <Commands
        lines={[
          ...WRANGLER,
          "# variables, bindings and limits: `vars`, `kv_namespaces`, …, `limits` in wrangler.jsonc, then",
          "npx wrangler deploy",
          `npx wrangler secret put NAME --name ${one.worker}`,
        ]}
      />
    </Stack>
  );
}
