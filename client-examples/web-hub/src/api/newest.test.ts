import { beforeEach, describe, expect, test } from "vitest";
import { newestRuns } from "./newest";

interface Run {
  __typename: "OperationRun";
  id: string;
  version: number;
  statusBucket?: string;
  counts?: object;
  runType?: string;
}

function run(version: number, rest: Partial<Run> = {}): Run {
  return { __typename: "OperationRun", id: "1", version, ...rest };
}

describe("a run that comes in several answers", () => {
  let amend: (value: unknown) => void;

  function arrives(value: Run): Run {
    amend({ tenant: { operationRuns: { edges: [{ node: value }] } } });
    return value;
  }

  beforeEach(() => {
    amend = newestRuns();
  });

  test("is not reset by a late answer", () => {
    arrives(run(6, { statusBucket: "SUCCEEDED", counts: { processed: 5 } }));
    const late = arrives(run(5, { statusBucket: "RUNNING", counts: { processed: 4 }, runType: "x.y" }));
    expect(late).toEqual(
      run(6, { statusBucket: "SUCCEEDED", counts: { processed: 5 }, runType: "x.y" }),
    );
  });

  test("changes with a newer answer, and the last one counts", () => {
    arrives(run(5, { statusBucket: "RUNNING" }));
    expect(arrives(run(6, { statusBucket: "SUCCEEDED" })).statusBucket).toBe("SUCCEEDED");
    expect(arrives(run(4, { statusBucket: "QUEUED" })).statusBucket).toBe("SUCCEEDED");
  });

  test("gets no fields that the query did not select", () => {
    arrives(run(6, { statusBucket: "SUCCEEDED", counts: {} }));
    expect(Object.keys(arrives(run(5, { statusBucket: "RUNNING" })))).not.toContain("counts");
  });

  test("combines the fields of several answers", () => {
    arrives(run(6, { statusBucket: "SUCCEEDED" }));
    arrives(run(6, { counts: { processed: 5 } }));
    expect(arrives(run(5, { statusBucket: "RUNNING", counts: {} }))).toEqual(
      run(6, { statusBucket: "SUCCEEDED", counts: { processed: 5 } }),
    );
  });

  test("is not mixed up with other runs or other objects", () => {
    arrives(run(6, { statusBucket: "SUCCEEDED" }));
    expect(arrives(run(5, { id: "2", statusBucket: "RUNNING" })).statusBucket).toBe("RUNNING");
    const other = { __typename: "RunEvent", id: "1", version: 1, statusBucket: "QUEUED" };
    amend([other, null, "text"]);
    expect(other.statusBucket).toBe("QUEUED");
  });
});
