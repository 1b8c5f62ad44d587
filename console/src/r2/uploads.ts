// Files on their way into a bucket: a few at a time, each with its share, to be stopped and sent again.
import { useCallback, useEffect, useRef, useState } from "react";

import type { Dropped } from "../ui/Drop";
import { upload } from "../ui/transfer";

export interface Sending {
  id: number;
  key: string;
  size: number;
  state: "waiting" | "sending" | "done" | "failed" | "cancelled";
  share: number;
  error?: unknown;
}

/** Files that are sent at a time. */
const AT_ONCE = 3;

interface Job {
  file: File;
  path: string;
  stop: AbortController;
}

export function useUploads(onSettled: () => void) {
  const [list, setList] = useState<Sending[]>([]);
  const jobs = useRef(new Map<number, Job>());
  const running = useRef(new Set<number>());
  const next = useRef(1);
  const settled = useRef(onSettled);
  settled.current = onSettled;

  const change = useCallback((id: number, part: Partial<Sending>) => {
    setList((all) => all.map((one) => (one.id === id ? { ...one, ...part } : one)));
  }, []);

  useEffect(() => {
    for (const { id } of list.filter(({ state }) => state === "waiting")) {
      if (running.current.size >= AT_ONCE) break;
      const job = jobs.current.get(id);
      if (job === undefined || running.current.has(id)) continue;
      running.current.add(id);
      change(id, { state: "sending" });
      const headers = { "content-type": job.file.type === "" ? "application/octet-stream" : job.file.type };
      upload({
        path: job.path,
        body: job.file,
        headers,
        signal: job.stop.signal,
        onProgress: (share) => change(id, { share }),
      })
        .then(() => change(id, { state: "done", share: 1 }))
        .catch((error: unknown) => change(id, job.stop.signal.aborted ? { state: "cancelled" } : { state: "failed", error }))
        .finally(() => {
          running.current.delete(id);
          // The effect looks for the next one when the list changes; what is listed is asked for anew at the end.
          if (running.current.size === 0) settled.current();
          setList((all) => [...all]);
        });
    }
  }, [list, change]);

  const add = useCallback((files: Dropped[], keyOf: (path: string) => string, pathOf: (key: string) => string) => {
    const fresh = files.map(({ path, file }): Sending => {
      const id = next.current;
      next.current += 1;
      const key = keyOf(path);
      jobs.current.set(id, { file, path: pathOf(key), stop: new AbortController() });
      return { id, key, size: file.size, state: "waiting", share: 0 };
    });
    setList((all) => [...all, ...fresh]);
  }, []);

  const cancel = useCallback(
    (id: number) => {
      jobs.current.get(id)?.stop.abort();
      if (!running.current.has(id)) change(id, { state: "cancelled" });
    },
    [change],
  );

  const again = useCallback(
    (id: number) => {
      const job = jobs.current.get(id);
      if (job === undefined) return;
      jobs.current.set(id, { ...job, stop: new AbortController() });
      change(id, { state: "waiting", share: 0, error: undefined });
    },
    [change],
  );

  const clear = useCallback(() => {
    setList((all) => all.filter(({ state }) => state === "waiting" || state === "sending"));
  }, []);

  return { list, add, cancel, again, clear };
}
