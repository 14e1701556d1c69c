import { expect, test } from "vitest";
import { atFields, inWords } from "./contextErrors";

const ERRORS = [
  { message: "Unknown scope.", field: ["input", "context", "scopeKey"] },
  { message: "Too long.", field: ["input", "context", "policies", "1", "0"] },
  { message: "The context is too large.", field: ["input", "context"] },
  { message: "Too many runs are active.", field: ["input"] },
];

test("each error is at its field, and the others at the whole form", () => {
  expect(atFields(ERRORS)).toEqual({
    scopeKey: { __errors: ["Unknown scope."] },
    policies: { 1: { 0: { __errors: ["Too long."] } } },
    __errors: ["The context is too large.", "Too many runs are active."],
  });
});

test("an error in words names its field", () => {
  expect(ERRORS.map(inWords)).toEqual([
    "Scope key: Unknown scope.",
    "Policies › 2 › 1: Too long.",
    "The context is too large.",
    "Too many runs are active.",
  ]);
});
