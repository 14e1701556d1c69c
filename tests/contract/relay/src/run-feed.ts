import { graphql, requestSubscription, type Disposable, type IEnvironment } from "relay-runtime";
import { line } from "./run-list.js";
import type { runFeedSubscription } from "./__generated__/runFeedSubscription.graphql.js";

const Feed = graphql`
  subscription runFeedSubscription($tenant: ID!, $after: String) {
    operationRuns(tenantId: $tenant, after: $after) {
      __typename
      ... on OperationRunChanged {
        change
        cursor
        run {
          id
          version
          ...runList_run
        }
      }
      ... on FeedReset {
        reason
        cursor
        runs {
          id
          version
          ...runList_run
        }
      }
      ... on FeedHeartbeat {
        cursor
      }
    }
  }
`;

export function watch(
  environment: IEnvironment,
  variables: runFeedSubscription["variables"],
  seen: (cursor: string, lines: string[]) => void,
): Disposable {
  return requestSubscription<runFeedSubscription>(environment, {
    subscription: Feed,
    variables,
    onNext: (response) => {
      const event = response?.operationRuns;
      switch (event?.__typename) {
        case "OperationRunChanged":
          return seen(event.cursor, event.change === "LEFT" ? [] : [line(event.run)]);
        case "FeedReset":
          return seen(event.cursor, event.runs.map(line));
        case "FeedHeartbeat":
          return seen(event.cursor, []);
      }
    },
  });
}
