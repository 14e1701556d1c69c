// A scenario reports to the test that runs it in lines of JSON, and waits for lines from it.
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

export const report = (facts) => console.log(JSON.stringify(facts));

export const nextLine = () => once(lines, 'line');

// Runs an operation to its end; resolves to its results and the error that ended it.
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

// Follows the feed until the process ends, and keeps the newest cursor in `variables.after`.
export const follow = (client, variables) =>
  client.subscribe(
    { query: FEED, variables },
    {
      next: ({ data: { operationRuns: event } }) => {
        variables.after = event.cursor;
        report({ kind: event.__typename, run: event.run?.id });
      },
      error: (error) => report({ error: inspect(error) }),
      complete: () => report({ complete: true }),
    },
  );

export async function main(scenarios) {
  const [name, ...args] = process.argv.slice(2);
  report(await scenarios[name](...args));
  process.exit();
}
