import { describe, expect, test } from "vitest";
import { findingsText, outcomeText } from "./outcome";

const AT = "2026-11-28T02:00:00Z";

function counts(total: number | null, succeeded: number, failed = 0, skipped = 0) {
  return { total, succeeded, failed, skipped, processed: succeeded + failed + skipped };
}

describe("what became of the items", () => {
  test.each([
    [counts(null, 0), null, "0 done"],
    [counts(null, 20), null, "20 done"],
    [counts(1_042, 20, 1), null, "21 of 1,042 done, 1 failed"],
    [counts(42, 42), AT, "42 of 42 succeeded"],
    [counts(42, 39, 3), AT, "39 of 42 succeeded, 3 failed"],
    [counts(42, 0, 42), AT, "0 of 42 succeeded, 42 failed"],
    [counts(42, 1, 1, 40), AT, "1 of 42 succeeded, 1 failed, 40 skipped"],
    [counts(42, 20), AT, "20 of 42 succeeded"],
    [counts(null, 0), AT, "No items"],
    [counts(0, 0), AT, "No items"],
  ])("%o, ended %s", (of, finishedAt, text) => {
    expect(outcomeText({ counts: of, finishedAt })).toBe(text);
  });
});

test("the findings of a comparison", () => {
  expect(findingsText({ added: 4, removed: 0, modified: 12 })).toBe("12 modified, 4 added");
  expect(findingsText({ added: 0, removed: 1_000, modified: 0 })).toBe("1,000 removed");
  expect(findingsText({ added: 0, removed: 0, modified: 0 })).toBe("No changes");
});
