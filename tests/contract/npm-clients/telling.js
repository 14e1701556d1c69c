// How a scenario talks with the test that runs it: it prints facts as lines of JSON, and waits for lines.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';

export const { OPSRUN_URL: url, OPSRUN_TOKEN: token } = process.env;
export const authorization = `Bearer ${token}`;
export const FEED = `subscription($tenant: ID!, $after: String) {
  operationRuns(tenantId: $tenant, after: $after) {
    __typename
    ... on FeedReset { cursor }
    ... on FeedHeartbeat { cursor }
    ... on OperationRunChanged { cursor run { id } } } }`;

const lines = createInterface({ input: process.stdin });

export const tell = (facts) => console.log(JSON.stringify(facts));

export const told = () => once(lines, 'line');

// Runs an operation to its end; gives its results, and the error that ended it.
export const run = (client, query, variables) =>
  new Promise((resolve) => {
    const results = [];
    client.subscribe(
      { query, variables },
      {
        next: (result) => results.push(result),
        error: (error) => resolve({ results, error }),
        complete: () => resolve({ results, error: null }),
      },
    );
  });

// Follows the feed for ever, and keeps the newest cursor where `variables` are.
export const follow = (client, variables) =>
  client.subscribe(
    { query: FEED, variables },
    {
      next: ({ data: { operationRuns: event } }) => {
        variables.after = event.cursor;
        tell({ kind: event.__typename, run: event.run?.id });
      },
      error: (error) => tell({ error: inspect(error) }),
      complete: () => tell({ complete: true }),
    },
  );

export async function main(scenarios) {
  const [name, ...given] = process.argv.slice(2);
  tell(await scenarios[name](...given));
  process.exit();
}
