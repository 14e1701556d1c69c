import type { ApolloCache } from "@apollo/client";
import { useQuery, useSubscription } from "@apollo/client/react";
import { useRef, useState } from "react";
import { graphql } from "../gql";
import type { OperationRunFilter, RunsPageQuery } from "../gql/graphql";
import { applied, type Changed } from "./feed";

const RunsPage = graphql(`
  query RunsPage($tenant: ID!, $filter: OperationRunFilter!, $first: Int!, $after: String) {
    tenant(id: $tenant) {
      id
      operationRuns(first: $first, after: $after, filter: $filter) {
        edges {
          cursor
          node {
            id
            createdAt
            ...RunRow
          }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

const RunsFeed = graphql(`
  subscription RunsFeed($tenant: ID!, $filter: OperationRunFilter!, $after: String) {
    operationRuns(tenantId: $tenant, filter: $filter, after: $after) {
      __typename
      ... on FeedReset { cursor }
      ... on FeedHeartbeat { cursor }
      ... on OperationRunChanged {
        cursor
        change
        run {
          id
          createdAt
          ...RunRow
        }
      }
    }
  }
`);

type Variables = { tenant: string; filter: OperationRunFilter; first: number };

function apply(cache: ApolloCache, variables: Variables, event: Changed): void {
  cache.updateQuery({ query: RunsPage, variables }, (data) => {
    if (!data) {
      return undefined;
    }
    const { tenant } = data;
    const operationRuns = applied(event, tenant.operationRuns);
    // Most events change a row but not the list; then the list is not written.
    return operationRuns === tenant.operationRuns
      ? undefined
      : { ...data, tenant: { ...tenant, operationRuns } };
  });
}

export interface LiveRuns {
  runs: RunsPageQuery["tenant"]["operationRuns"]["edges"][number]["node"][];
  hasMore: boolean;
  loadMore: () => Promise<unknown>;
  loading: boolean;
  error: Error | undefined;
  retry: () => void;
}

/**
 * The runs of a filter: a page from a query, which the feed keeps live. The page is loaded again when
 * the feed begins or resets. After that, rows enter, change and leave with events only.
 */
export function useLiveRuns(tenant: string, filter: OperationRunFilter, first = 25): LiveRuns {
  const variables = { tenant, filter, first };
  const { data, error, loading, refetch, fetchMore } = useQuery(RunsPage, { variables });
  // One after the other: a page that is still loading must not overwrite the changes of an event.
  const order = useRef<Promise<unknown>>(Promise.resolve());
  const then = (step: () => unknown): Promise<unknown> =>
    (order.current = order.current.then(step).catch(() => undefined));

  // Changes reach the page through the cache; only errors are handled here.
  const [refusal, setRefusal] = useState<Error>();
  const feed = useSubscription(RunsFeed, {
    variables: { tenant, filter },
    ignoreResults: true,
    onError: setRefusal,
    onData: ({ client, data: { data: answer } }) => {
      const event = answer?.operationRuns;
      if (event?.__typename === "FeedReset") {
        void then(() => refetch());
      } else if (event?.__typename === "OperationRunChanged") {
        void then(() => apply(client.cache, variables, event));
      }
    },
  });

  const connection = data?.tenant.operationRuns;
  return {
    runs: connection?.edges.map(({ node }) => node) ?? [],
    hasMore: connection?.pageInfo.hasNextPage ?? false,
    loadMore: () => then(() => fetchMore({ variables: { after: connection?.pageInfo.endCursor } })),
    loading: loading && !connection,
    error: error ?? refusal,
    retry: () => {
      setRefusal(undefined);
      feed.restart();
      void refetch();
    },
  };
}
