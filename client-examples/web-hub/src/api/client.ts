import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode } from "graphql";
import { newestRunsLink } from "./newest";
import { resume } from "./resume";
import { openSocket } from "./sockets";

/** Return the stable code of an error that the API sent, if it sent one. */
export function codeOf(error: unknown): unknown {
  return CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.["code"] : undefined;
}

// The database is away; too much was asked for in a short time.
const MAY_PASS = new Set<unknown>(["UNAVAILABLE", "RATE_LIMITED"]);

/** Only what changes nothing is tried again, and only when it may go better. */
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
  const socket = new GraphQLWsLink(openSocket(url, authorization));
  const link = ApolloLink.from([
    newestRunsLink(),
    retry,
    ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      ApolloLink.from([resume, socket]),
      new HttpLink({ uri: url, headers: { authorization } }),
    ),
  ]);
  // What is asked again because something happened must not be answered by what is under way.
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
      DriftReport: { keyFields: ["scopeKey", "baselineRunId", "currentRunId"] },
    },
  });
}
