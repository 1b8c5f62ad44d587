// A passkey's answer to the server's challenge, in the JSON that browsers write and read themselves (WebAuthn Level 3,
// 5.1.8 and 5.1.10).
import { api, body } from "../api/client";
import type { Session } from "../api/session";

export function passkeysWork(): boolean {
  return typeof PublicKeyCredential !== "undefined" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

/** Null: the person chose none. */
export async function signInWithPasskey(): Promise<Session | null> {
  const { publicKey } = await body(api.POST("/api/session/passkey/options"));
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(
    publicKey as unknown as PublicKeyCredentialRequestOptionsJSON,
  );
  let credential: Credential | null;
  try {
    credential = await navigator.credentials.get({ publicKey: options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotAllowedError") return null;
    throw error;
  }
  if (!(credential instanceof PublicKeyCredential)) return null;
  return body(api.POST("/api/session/passkey", { body: { credential: credential.toJSON() } }));
}
