import { Button, Text } from "@mantine/core";
import { Fingerprint } from "lucide-react";
import { useState } from "react";

import { signInWithPasskey } from "./passkey";
import { Refusal } from "./Refusal";
import { useSignInText } from "./strings";

/** Signs in with a passkey, which stands for a password and a second factor. */
export function PasskeyButton(props: { enter: () => Promise<void> }) {
  const t = useSignInText();
  const [error, setError] = useState<unknown>();
  const [cancelled, setCancelled] = useState(false);

  async function use() {
    setError(undefined);
    setCancelled(false);
    try {
      if ((await signInWithPasskey()) === null) setCancelled(true);
      else await props.enter();
    } catch (fault) {
      setError(fault);
    }
  }

  return (
    <>
      <Button variant="default" size="sm" leftSection={<Fingerprint size={16} />} onClick={() => void use()}>
        {t("passkey")}
      </Button>
      {cancelled && (
        <Text c="dimmed" fz="sm" role="status">
          {t("passkey.cancelled")}
        </Text>
      )}
      <Refusal error={error} />
    </>
  );
}
