import { useQuery, useSubscription } from "@apollo/client/react";
import { useThrottledCallback } from "@mantine/hooks";
import { graphql } from "../gql";
import type { OperationRunFilter, RunFacetsQuery } from "../gql/graphql";

const AT_MOST_EVERY_MS = 1_000;

const RunFacets = graphql(`
  query RunFacets($tenant: ID!, $filter: OperationRunFilter!) {
    tenant(id: $tenant) {
      id
      operationRunFacets(filter: $filter) {
        byStatusBucket { statusBucket count }
        truncated
      }
    }
  }
`);

const SomethingChanged = graphql(`
  subscription SomethingChanged($tenant: ID!, $filter: OperationRunFilter!, $after: String) {
    operationRuns(tenantId: $tenant, filter: $filter, after: $after) {
      __typename
      ... on FeedReset { cursor }
      ... on FeedHeartbeat { cursor }
      ... on OperationRunChanged { cursor }
    }
  }
`);

export type Facets = RunFacetsQuery["tenant"]["operationRunFacets"];

/** The number of runs per bucket, whichever bucket the list shows. */
export function useFacets(
  tenant: string,
  filter: OperationRunFilter,
): Facets | undefined {
  const variables = { tenant, filter };
  const { data, previousData, refetch } = useQuery(RunFacets, {
    variables,
    fetchPolicy: "cache-and-network",
  });
  const recount = useThrottledCallback(() => void refetch(), AT_MOST_EVERY_MS);
  useSubscription(SomethingChanged, {
    variables,
    ignoreResults: true,
    onData: ({ data: { data: answer } }) => {
      if (answer?.operationRuns.__typename === "OperationRunChanged") {
        recount();
      }
    },
  });
  return (data ?? previousData)?.tenant.operationRunFacets;
}
