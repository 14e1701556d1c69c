import { setTimeout as sleep } from "node:timers/promises";
import type { GraphQLFormattedError } from "graphql";
import { type Client, createClient } from "graphql-ws";
import WebSocket from "ws";
import { type Api, ApiError, asked, dataOf } from "./api.js";
import { graphql } from "./gql/gql.js";
import type { FollowRunSubscription, FollowRunSubscriptionVariables } from "./gql/graphql.js";

const SILENCE_MS = 5_000;
const MAX_TRIES = 10;
const MAX_WAIT_MS = 10_000;

// Going away, cut without or with a word, restarting, try again later; 4499: the server heard nothing
// from us, 4504: we nothing from it.
const COME_BACK = new Set([1001, 1005, 1006, 1012, 1013, 4499, 4504]);

// The database is away; too much was asked for in a short time.
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

/** Follow a run to its end; none of its events is lost or comes twice when the line is cut. */
export async function* runEvents(api: Api, run: string): AsyncGenerator<RunEvent, void> {
  let after: string | null = null;
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    // The client's own retries would send the cursor of the beginning again: connect anew.
    const client = connectTo(api);
    const variables: FollowRunSubscriptionVariables = { run, after };
    try {
      const results = client.iterate<FollowRunSubscription>({ ...asked(api, FollowRun), variables });
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
      console.error(`${message} Coming back…`);
    }
    await sleep(Math.random() * Math.min(MAX_WAIT_MS, 500 * 2 ** tries));
  }
  throw new Error(`Given up after ${MAX_TRIES} tries without an event.`);
}

function connectTo({ url, authorization }: Api): Client {
  let socket: WebSocket | undefined;
  let silence: NodeJS.Timeout | undefined;
  return createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { authorization },
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionAckWaitTimeout: SILENCE_MS,
    // Only asking shows that a connection died without a word.
    keepAlive: SILENCE_MS,
    on: {
      opened: (opened) => {
        socket = opened instanceof WebSocket ? opened : undefined;
      },
      ping: (received) => {
        if (!received) {
          silence = setTimeout(() => socket?.terminate(), SILENCE_MS);
        }
      },
      pong: () => clearTimeout(silence),
      closed: () => clearTimeout(silence),
    },
  });
}

/** What ended a subscription early, and whether it may go better another time. */
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
