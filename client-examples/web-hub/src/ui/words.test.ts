import { expect, test } from "vitest";
import { initiatorName, moment, runTitle, runTypeName, zone } from "./words";

test("a time shows its zone", () => {
  expect(moment("2026-11-28T02:13:23Z")).toContain("2026");
  expect(zone()).not.toBe("");
  expect(moment(new Date().toISOString()).endsWith(zone())).toBe(true);
});

test("a service is marked, and a person is not", () => {
  expect(initiatorName({ kind: "SERVICE", name: "Nightly sync" })).toBe("Nightly sync (service)");
  expect(initiatorName({ kind: "USER", name: "Olivia Owner" })).toBe("Olivia Owner");
  expect(initiatorName({ kind: "SYSTEM", name: "System" })).toBe("System");
});

test("a run is named after its type and subject", () => {
  const run = { runType: "backup_set.add_policies", subject: "Weekly" };
  expect(runTitle(run, () => "Add policies")).toBe("Add policies (Weekly)");
  expect(runTitle(run, runTypeName)).toBe("Backup set: add policies (Weekly)");
});
