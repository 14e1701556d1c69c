/** How an event of the feed changes a list of runs. */

import type { RunsFeedSubscription, RunsPageQuery } from "../gql/graphql";

export type Changed = Extract<
  RunsFeedSubscription["operationRuns"],
  { __typename: "OperationRunChanged" }
>;
export type Connection = RunsPageQuery["tenant"]["operationRuns"];

/** Insert a run at its place, newest first, or remove it; its fields are in the cache already. */
export function applied({ change, run }: Changed, connection: Connection): Connection {
  const { edges, pageInfo } = connection;
  const others = edges.filter(({ node }) => node.id !== run.id);
  if (change === "LEFT") {
    return { ...connection, edges: others };
  }
  const created = Date.parse(run.createdAt);
  const older = edges.findIndex(({ node }) => Date.parse(node.createdAt) < created);
  const belongsToLaterPage = older < 0 && pageInfo.hasNextPage;
  if (others.length < edges.length || belongsToLaterPage) {
    return connection;
  }
  const edge = { __typename: "OperationRunEdge" as const, cursor: "", node: run };
  return { ...connection, edges: edges.toSpliced(older < 0 ? edges.length : older, 0, edge) };
}
