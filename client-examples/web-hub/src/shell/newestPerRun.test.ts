import { expect, test } from "vitest";
import { newestPerRun, unreadRuns } from "./newestPerRun";

const READ = "2026-11-28T02:00:00Z";

function told(run: string, outcome: string, readAt: string | null = null) {
  return { run: { id: run }, outcome, readAt };
}

const LOADED = [told("b", "QUEUED"), told("a", "FAILED"), told("a", "QUEUED"), told("c", "SUCCEEDED", READ)];

test("that a run ended takes the place of that it was queued", () => {
  expect(newestPerRun(LOADED).map(({ run, outcome }) => [run.id, outcome])).toEqual([
    ["b", "QUEUED"],
    ["a", "FAILED"],
    ["c", "SUCCEEDED"],
  ]);
});

test("a run counts once, and what is not loaded counts as the API says", () => {
  expect(unreadRuns(3, LOADED)).toBe(2);
  expect(unreadRuns(5, LOADED)).toBe(4);
  expect(unreadRuns(0, [])).toBe(0);
});
