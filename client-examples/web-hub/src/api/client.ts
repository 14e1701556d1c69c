import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode } from "graphql";
import { newestRunsLink } from "./newest";
import { resume } from "./resume";
import { openWebSocket } from "./websocket";

/** Return the stable code of an error from the API, if it has one. */
export function codeOf(error: unknown): unknown {
  return CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.["code"] : undefined;
}

// The database is away, or the user's budget is used up.
const MAY_PASS = new Set<unknown>(["UNAVAILABLE", "RATE_LIMITED"]);

/** Retry only operations that change nothing, and only if another try may succeed. */
const retry = new RetryLink({
  delay: { initial: 300, max: 5_000, jitter: true },
  attempts: (count, { operationType }, error) => {
    if (operationType === OperationTypeNode.SUBSCRIPTION) {
      return MAY_PASS.has(codeOf(error));
    }
    return operationType === OperationTypeNode.QUERY && count <= 5;
  },
});

export function connect(token: string): ApolloClient {
  const url = new URL("/graphql", location.origin).href;
  const authorization = `Bearer ${token}`;
  const webSocket = new GraphQLWsLink(openWebSocket(url, authorization));
  const link = ApolloLink.from([
    newestRunsLink(),
    retry,
    ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      ApolloLink.from([resume, webSocket]),
      new HttpLink({ uri: url, headers: { authorization } }),
    ),
  ]);
  // A query that is repeated after a change must not share the answer of an earlier request.
  return new ApolloClient({ link, cache: newCache(), queryDeduplication: false });
}

function newCache(): InMemoryCache {
  return new InMemoryCache({
    typePolicies: {
      Tenant: {
        fields: {
          operationRuns: relayStylePagination(["filter"]),
          policies: relayStylePagination(["scopeKey"]),
          backupSets: relayStylePagination(),
          driftFindings: relayStylePagination(["runId", "kinds"]),
          groups: relayStylePagination(["search"]),
          notifications: relayStylePagination(["unreadOnly"]),
        },
      },
      OperationRun: {
        fields: {
          events: relayStylePagination(),
          failures: relayStylePagination(["reasonCodes"]),
          skippedItems: relayStylePagination(),
        },
      },
      BackupSet: { fields: { policies: relayStylePagination() } },
      Group: { fields: { members: relayStylePagination() } },
      DriftReport: { keyFields: ["scopeKey", "baselineRunId", "currentRunId"] },
    },
  });
}
