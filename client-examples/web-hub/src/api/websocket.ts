import { type Client, createClient } from "graphql-ws";
import { setConnection } from "./connection";

const PING_MS = 10_000;
const SILENCE_MS = 5_000;
const MAX_WAIT_MS = 10_000;
const FORBIDDEN = 4403;

function isRefusal(thrown: unknown): boolean {
  return (thrown as Partial<CloseEvent>).code === FORBIDDEN;
}

/** Wait before reconnecting: longer each time, by a random time, and no longer once back online. */
function pause(retries: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, Math.random() * Math.min(MAX_WAIT_MS, 500 * 2 ** retries));
    addEventListener("online", done);
  });
}

/** One WebSocket for all subscriptions; it reconnects as long as the page is open. */
export function openWebSocket(url: string, authorization: string): Client {
  let silence: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { authorization },
    retryAttempts: Infinity,
    retryWait: pause,
    // A WebSocket that could not be opened throws an event without a code.
    shouldRetry: (thrown) => !isRefusal(thrown),
    connectionAckWaitTimeout: SILENCE_MS,
    // Only a ping shows that a connection died silently.
    keepAlive: PING_MS,
    on: {
      ping: (received) => {
        if (!received) {
          silence = setTimeout(() => client.terminate(), SILENCE_MS);
        }
      },
      pong: () => clearTimeout(silence),
      connected: () => setConnection("live"),
      closed: (event) => {
        clearTimeout(silence);
        setConnection(isRefusal(event) ? "refused" : "reconnecting");
      },
    },
  });
  addEventListener("offline", () => client.terminate());
  return client;
}
