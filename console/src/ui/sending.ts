// What a form is sent with: whether it is on its way, and what the server said against it.
import { useCallback, useRef, useState } from "react";

/** `error` is undefined until a call was refused. `send` gives whether the call went well; one at a time is made. */
export function useSending() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const under = useRef(false);
  const send = useCallback(async (act: () => Promise<unknown>): Promise<boolean> => {
    if (under.current) return false;
    under.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await act();
      return true;
    } catch (refused) {
      setError(refused);
      return false;
    } finally {
      under.current = false;
      setBusy(false);
    }
  }, []);
  const forget = useCallback(() => setError(undefined), []);
  return { busy, error, send, forget };
}
