import { setTimeout as sleep } from "node:timers/promises";
import type { GraphQLFormattedError } from "graphql";
import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";
import { type Api, ApiError, dataOf, documentPart } from "./api.js";
import { graphql } from "./gql/gql.js";
import type { FollowRunSubscription, FollowRunSubscriptionVariables } from "./gql/graphql.js";

const SILENCE_MS = 5_000;
const MAX_TRIES = 10;
const MAX_WAIT_MS = 10_000;

// 1001 going away, 1005 and 1006 cut, 1012 restart, 1013 try again later, 4499 the client was silent,
// 4504 the server was silent.
const COME_BACK = new Set([1001, 1005, 1006, 1012, 1013, 4499, 4504]);

// The database is away, or the user's budget is used up.
const MAY_PASS = new Set<unknown>(["UNAVAILABLE", "RATE_LIMITED"]);

const FollowRun = graphql(`
  subscription FollowRun($run: ID!, $after: String) {
    operationRun(id: $run, after: $after) {
      kind
      cursor
      occurredAt
      run {
        finishedAt
        ...RunLine
      }
    }
  }
`);

export type RunEvent = FollowRunSubscription["operationRun"];

/** Yield every event of a run exactly once, even if the connection is cut, until the run ends. */
export async function* runEvents(api: Api, run: string): AsyncGenerator<RunEvent, void> {
  let after: string | null = null;
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    // The client's own retries would repeat the first cursor, so each try makes a new client.
    const client = connectTo(api);
    const variables: FollowRunSubscriptionVariables = { run, after };
    try {
      const results = client.iterate<FollowRunSubscription>({ ...documentPart(api, FollowRun), variables });
      for await (const result of results) {
        const event = dataOf(result).operationRun;
        after = event.cursor;
        tries = 0;
        yield event;
        if (event.run.finishedAt !== null) {
          return;
        }
      }
    } catch (thrown) {
      const { message, mayPass } = endOf(thrown);
      if (!mayPass) {
        throw new Error(message, { cause: thrown });
      }
      console.error(`${message} Reconnecting…`);
    }
    await sleep(Math.random() * Math.min(MAX_WAIT_MS, 500 * 2 ** tries));
  }
  throw new Error(`Gave up after ${MAX_TRIES} tries without an event.`);
}

function connectTo({ url, authorization }: Api): Client {
  let webSocket: WebSocket | undefined;
  let silence: NodeJS.Timeout | undefined;
  return createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { authorization },
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionAckWaitTimeout: SILENCE_MS,
    // Only a ping shows that a connection died silently.
    keepAlive: SILENCE_MS,
    on: {
      opened: (opened) => {
        webSocket = opened instanceof WebSocket ? opened : undefined;
      },
      ping: (received) => {
        if (!received) {
          silence = setTimeout(() => webSocket?.terminate(), SILENCE_MS);
        }
      },
      pong: () => clearTimeout(silence),
      closed: () => clearTimeout(silence),
    },
  });
}

/** Return why a subscription ended early, and whether another try may succeed. */
function endOf(thrown: unknown): { message: string; mayPass: boolean } {
  if (thrown instanceof Error) {
    const mayPass = thrown instanceof ApiError && MAY_PASS.has(thrown.code);
    return { message: thrown.message, mayPass };
  }
  if (isErrors(thrown)) {
    return endOf(new ApiError(thrown));
  }
  if (isClose(thrown)) {
    const { code, reason } = thrown;
    const message = `The connection was closed (${`${code} ${reason}`.trim()}).`;
    return { message, mayPass: COME_BACK.has(code) };
  }
  return { message: "The connection failed.", mayPass: true };
}

function isErrors(thrown: unknown): thrown is readonly GraphQLFormattedError[] {
  return Array.isArray(thrown);
}

function isClose(thrown: unknown): thrown is { code: number; reason: string } {
  return thrown instanceof Object && "code" in thrown && "reason" in thrown;
}
