/** One clock for the whole page; a time is drawn again only when its text changes. */

import { useSyncExternalStore } from "react";

const EVERY_MS = 1_000;

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  now = Date.now();
  for (const listener of listeners) {
    listener();
  }
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    now = Date.now();
    timer = setInterval(tick, EVERY_MS);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
    }
  };
}

/** A text about the current time (in milliseconds), kept up to date. */
export function useClock(say: (now: number) => string): string {
  return useSyncExternalStore(subscribe, () => say(now));
}
