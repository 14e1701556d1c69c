import { describe, expect, test } from "vitest";
import type { FeedChange } from "../gql/graphql";
import { applied, type Changed, type Connection } from "./feed";

type Node = Changed["run"];

function run(id: string, second: number): Node {
  const createdAt = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  return { __typename: "OperationRun", id, createdAt } as unknown as Node;
}

function event(change: FeedChange, node: Node): Changed {
  return { __typename: "OperationRunChanged", change, cursor: "c", run: node };
}

function list(hasNextPage: boolean, ...nodes: Node[]): Connection {
  return {
    __typename: "OperationRunConnection",
    edges: nodes.map((node) => ({ __typename: "OperationRunEdge", cursor: node.id, node })),
    pageInfo: { __typename: "PageInfo", hasNextPage, endCursor: nodes.at(-1)?.id ?? null },
  };
}

function ids({ edges }: Connection): string[] {
  return edges.map(({ node }) => node.id);
}

describe("an event of the feed", () => {
  const shown = list(false, run("c", 30), run("a", 10));

  test.each([
    ["newest", 40, ["b", "c", "a"]],
    ["between", 20, ["c", "b", "a"]],
    ["oldest", 5, ["c", "a", "b"]],
  ])("puts a run that enters where it belongs: %s", (_, second, order) => {
    expect(ids(applied(event("ENTERED", run("b", second)), shown))).toEqual(order);
  });

  test("ignores a run of a page that is not loaded yet", () => {
    const first = list(true, run("c", 30), run("a", 10));
    expect(applied(event("ENTERED", run("b", 5)), first)).toBe(first);
  });

  test("removes only the run that left", () => {
    expect(ids(applied(event("LEFT", run("c", 30)), shown))).toEqual(["a"]);
    expect(ids(applied(event("LEFT", run("x", 30)), shown))).toEqual(["c", "a"]);
  });

  test("keeps the list if one of its runs changed, or entered twice", () => {
    expect(applied(event("UPDATED", run("a", 10)), shown)).toBe(shown);
    expect(applied(event("ENTERED", run("a", 10)), shown)).toBe(shown);
  });

  test("adds a run that changed before the list had it", () => {
    expect(ids(applied(event("UPDATED", run("b", 20)), shown))).toEqual(["c", "b", "a"]);
  });
});
