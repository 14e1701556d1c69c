import { expect, test } from "vitest";
import { type Filters, readFilters, toApiFilter, writeFilters } from "./filters";

const NOW = Date.UTC(2026, 10, 24, 12);
const ALL: Filters = {
  runTypes: ["inventory.sync", "drift.generate"],
  buckets: ["FAILED", "RUNNING"],
  initiators: ["VXNlcjo3"],
  range: "24h",
  from: "",
  until: "",
};
const NONE = readFilters(new URLSearchParams());

test("an address restores the filter that was written into it", () => {
  const custom: Filters = { ...ALL, range: "custom", from: "2026-11-01T08:00", until: "2026-11-02T08:00" };
  for (const filters of [NONE, ALL, custom]) {
    expect(readFilters(new URLSearchParams(writeFilters(filters).toString()))).toEqual(filters);
  }
  expect(writeFilters(NONE).toString()).toBe("");
});

test("unknown values in an address are ignored", () => {
  expect(readFilters(new URLSearchParams("status=LOST&status=FAILED&range=toString"))).toEqual({
    ...NONE,
    buckets: ["FAILED"],
  });
});

test("the filter of the API matches", () => {
  expect(toApiFilter(ALL, NOW)).toEqual({
    runTypes: ALL.runTypes,
    statusBuckets: ALL.buckets,
    initiatorIds: ALL.initiators,
    createdFrom: "2026-11-23T12:00:00.000Z",
    createdUntil: null,
  });
});

test("a custom window is in local time, and may be open or incomplete", () => {
  const from = "2026-11-01T08:00";
  const filter = toApiFilter({ ...NONE, range: "custom", from, until: "20" }, NOW);
  expect(filter.createdFrom).toBe(new Date(from).toISOString());
  expect(toApiFilter({ ...NONE, range: "custom", until: "never" }, NOW)).toMatchObject({
    createdFrom: null,
    createdUntil: null,
  });
});
