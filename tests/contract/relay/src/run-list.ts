import { fetchQuery, graphql, readInlineData, type IEnvironment } from "relay-runtime";
import type { runList_run$data, runList_run$key } from "./__generated__/runList_run.graphql.js";
import type { runList_tenant$data } from "./__generated__/runList_tenant.graphql.js";
import type { runListQuery } from "./__generated__/runListQuery.graphql.js";

const Run = graphql`
  fragment runList_run on OperationRun @inline {
    runType
    statusBucket
    context
    createdAt
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
    }
  }
`;

graphql`
  fragment runList_tenant on Tenant
  @refetchable(queryName: "runListPaginationQuery")
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 25 }
    cursor: { type: "String" }
    filter: { type: "OperationRunFilter" }
  ) {
    operationRuns(first: $count, after: $cursor, filter: $filter)
      @connection(key: "runList_operationRuns") {
      edges {
        node {
          id
          ...runList_run
        }
      }
    }
  }
`;

const Page = graphql`
  query runListQuery($tenant: ID!, $filter: OperationRunFilter) {
    tenant(id: $tenant) {
      name
      ...runList_tenant @arguments(filter: $filter)
    }
  }
`;

export async function load(environment: IEnvironment, tenant: string): Promise<string> {
  const filter = { statusBuckets: ["RUNNING", "FAILED"] } as const;
  const page = await fetchQuery<runListQuery>(environment, Page, { tenant, filter }).toPromise();
  return page?.tenant.name ?? "";
}

export function lines({ operationRuns }: runList_tenant$data): string[] {
  return operationRuns.edges.map(({ node }) => `${node.id} ${line(node)}`);
}

export function line(key: runList_run$key): string {
  const { runType, counts, finishedAt, related } = readInlineData(Run, key);
  const failed: number = counts.failed;
  const until: string = finishedAt ?? "now";
  return [runType, failed, counts.total ?? "?", until, ...related.map(name)].join(" ");
}

function name(resource: runList_run$data["related"][number]): string {
  switch (resource.__typename) {
    case "DriftReport":
      return `${resource.added + resource.removed + resource.modified} differences`;
    case "BackupSet":
      return resource.name;
    case "InventorySnapshot":
      return resource.isWhole ? "whole" : "in part";
    default:
      return "something new";
  }
}
