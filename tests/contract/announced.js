import { readFileSync } from "node:fs";

/** What the changelog's Unreleased section names under Breaking or Removed. */
function announcements() {
  const unreleased = readFileSync("CHANGELOG.md", "utf8")
    .split(/^## /m)
    .find((section) => section.startsWith("Unreleased"));
  const parts = unreleased?.split(/^### /m) ?? [];
  return parts.filter((part) => /^(Breaking|Removed)\b/.test(part)).join("");
}

/** A rule of graphql-inspector: a breaking change fails the check unless it is announced. */
export default function announced({ changes }) {
  const text = announcements();
  return changes.map((change) => {
    const { level } = change.criticality;
    if (level !== "BREAKING") {
      return change;
    }
    const name = `\`${change.path}\``;
    return text.includes(name)
      ? { ...change, criticality: { level: "DANGEROUS" }, message: `${change.message}: announced` }
      : { ...change, message: `${change.message}: name ${name} in CHANGELOG.md (docs/api.md)` };
  });
}
