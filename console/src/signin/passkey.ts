// A passkey's answer to the server's challenge. Browsers read and write these as JSON themselves since 2025; the API's
// bodies are of that form (WebAuthn Level 3, 5.1.8 and 5.1.10).
import { json } from "../api/client";
import type { Session } from "../api/session";

interface Options {
  publicKey: PublicKeyCredentialRequestOptionsJSON;
  /** Says on the way back which challenge it was. */
  ticket?: string;
}

export function passkeysWork(): boolean {
  return typeof PublicKeyCredential !== "undefined" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

/** Null: the person chose none. */
export async function signInWithPasskey(): Promise<Session | null> {
  const { publicKey, ticket } = await json<Options>("POST", "/api/session/passkey/options", {});
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
  let credential: Credential | null;
  try {
    credential = await navigator.credentials.get({ publicKey: options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotAllowedError") return null;
    throw error;
  }
  if (!(credential instanceof PublicKeyCredential)) return null;
  return json<Session>("POST", "/api/session/passkey", { ticket, credential: credential.toJSON() });
}
