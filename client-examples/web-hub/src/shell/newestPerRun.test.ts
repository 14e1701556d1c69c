import { expect, test } from "vitest";
import { newestPerRun, unreadRuns } from "./newestPerRun";

const READ = "2026-11-28T02:00:00Z";

function notification(run: string, outcome: string, readAt: string | null = null) {
  return { run: { id: run }, outcome, readAt };
}

const LOADED = [
  notification("b", "QUEUED"),
  notification("a", "FAILED"),
  notification("a", "QUEUED"),
  notification("c", "SUCCEEDED", READ),
];

test("the end of a run replaces its start", () => {
  expect(newestPerRun(LOADED).map(({ run, outcome }) => [run.id, outcome])).toEqual([
    ["b", "QUEUED"],
    ["a", "FAILED"],
    ["c", "SUCCEEDED"],
  ]);
});

test("a run counts once, and unloaded notifications count as in the total of the API", () => {
  expect(unreadRuns(3, LOADED)).toBe(2);
  expect(unreadRuns(5, LOADED)).toBe(4);
  expect(unreadRuns(0, [])).toBe(0);
});
