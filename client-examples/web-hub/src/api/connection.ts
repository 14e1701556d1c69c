/** The state of the connection to the API, for all components. */

import { useSyncExternalStore } from "react";

export type Connection = "connecting" | "live" | "reconnecting" | "refused";

let connection: Connection = "connecting";
const listeners = new Set<() => void>();

export function setConnection(next: Connection): void {
  connection = next;
  for (const listener of listeners) {
    listener();
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useConnection(): Connection {
  return useSyncExternalStore(subscribe, () => connection);
}
