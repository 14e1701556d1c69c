import {
  graphql,
  readFragment,
  type FragmentOf,
  type ResultOf,
  type VariablesOf,
} from "./graphql.js";

const Run = graphql(`
  fragment Run on OperationRun {
    id
    version
    runType
    statusBucket
    context
    finishedAt
    counts {
      total
      processed
      failed
    }
    related {
      __typename
      ... on DriftReport {
        added
        removed
        modified
      }
      ... on BackupSet {
        name
        policyCount
      }
      ... on InventorySnapshot {
        isWhole
      }
      ... on GroupDirectory { groupCount }
      ... on RelatedLink { title }
    }
  }
`);

const List = graphql(
  `
    query List($tenant: ID!, $first: Int, $after: String, $filter: OperationRunFilter) {
      tenant(id: $tenant) {
        operationRuns(first: $first, after: $after, filter: $filter) {
          edges {
            cursor
            node {
              ...Run
            }
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `,
  [Run],
);

const Feed = graphql(
  `
    subscription Feed($tenant: ID!, $after: String) {
      operationRuns(tenantId: $tenant, after: $after) {
        __typename
        ... on OperationRunChanged {
          change
          cursor
          run {
            ...Run
          }
        }
        ... on FeedReset {
          cursor
          runs {
            ...Run
          }
        }
        ... on FeedHeartbeat {
          cursor
        }
      }
    }
  `,
  [Run],
);

const Start = graphql(
  `
    mutation Start($input: StartInventorySyncInput!) {
      startInventorySync(input: $input) {
        outcome
        run {
          ...Run
        }
        userErrors {
          code
          field
          message
        }
      }
    }
  `,
  [Run],
);

export const firstPage: VariablesOf<typeof List> = {
  tenant: "VGVuYW50",
  filter: { statusBuckets: ["RUNNING", "FAILED"] },
};

export function lines({ tenant }: ResultOf<typeof List>): string[] {
  return tenant.operationRuns.edges.map(({ node }) => line(node));
}

export function seen({ operationRuns: event }: ResultOf<typeof Feed>): string[] {
  switch (event.__typename) {
    case "OperationRunChanged":
      return event.change === "LEFT" ? [] : [line(event.run)];
    case "FeedReset":
      return event.runs.map(line);
    case "FeedHeartbeat":
      return [];
  }
}

export function answer({ startInventorySync }: ResultOf<typeof Start>): string {
  const { run, userErrors } = startInventorySync;
  // @ts-expect-error: a run that may be missing must be looked at first
  line(run);
  return run
    ? line(run)
    : userErrors.map(({ code, message }) => `${code}: ${message}`).join("\n");
}

function line(masked: FragmentOf<typeof Run>): string {
  const { runType, statusBucket, counts, finishedAt, related } = readFragment(Run, masked);
  const failed: number = counts.failed;
  const until: string = finishedAt ?? "now";
  return [runType, statusBucket, failed, counts.total ?? "?", until, ...related.map(name)].join(" ");
}

function name(resource: ResultOf<typeof Run>["related"][number]): string {
  switch (resource.__typename) {
    case "DriftReport":
      return `${resource.added + resource.removed + resource.modified} differences`;
    case "BackupSet":
      return resource.name;
    case "InventorySnapshot":
      return resource.isWhole ? "whole" : "in part";
    case "GroupDirectory":
      return `${resource.groupCount} groups`;
    case "RelatedLink":
      return resource.title;
  }
}
