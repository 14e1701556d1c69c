// graphql-ws on Node with graphql-js, without login: each subscriber executes each event.
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import pg from "pg";
import { WebSocketServer } from "ws";

const { CHANNEL, DATABASE_URL, PORT } = process.env;

const schema = buildSchema(`
  type Query { version: String }
  type Subscription { operationRuns(tenantId: ID!): FeedEvent! }
  union FeedEvent = FeedReset | OperationRunChanged
  type FeedReset { cursor: String! }
  type OperationRunChanged { cursor: String!, change: String!, occurredAt: String!, run: OperationRun! }
  type OperationRun {
    id: ID!, version: Int!, runType: String!, status: String!, statusBucket: String!
    createdAt: String!, startedAt: String, finishedAt: String
    counts: RunCounts!, initiator: Initiator!
  }
  type RunCounts { total: Int, processed: Int!, succeeded: Int!, failed: Int!, skipped: Int! }
  type Initiator { kind: String!, name: String! }
`);

const subscribers = new Set();

const database = new pg.Client(DATABASE_URL);
database.on("notification", ({ payload }) => {
  const event = JSON.parse(payload);
  for (const deliver of subscribers) deliver(event);
});
await database.connect();
await database.query(`LISTEN ${CHANNEL}`);

// Not a generator: its `return` would wait for the next event.
function operationRuns() {
  const events = [{ __typename: "FeedReset", cursor: "" }];
  let resolveNext = null;
  const result = (event) => ({ done: event === null, value: { operationRuns: event } });
  const deliver = (event) => {
    if (resolveNext === null) {
      events.push(event);
    } else {
      resolveNext(result(event));
      resolveNext = null;
    }
  };
  subscribers.add(deliver);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (events.length > 0) return result(events.shift());
      return new Promise((resolve) => (resolveNext = resolve));
    },
    async return() {
      subscribers.delete(deliver);
      resolveNext?.(result(null));
      return result(null);
    },
  };
}

const server = new WebSocketServer({ host: "127.0.0.1", path: "/graphql", port: Number(PORT) });
useServer({ schema, roots: { subscription: { operationRuns } } }, server);
