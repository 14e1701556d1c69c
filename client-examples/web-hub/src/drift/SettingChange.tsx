import { Code, Group, Text } from "@mantine/core";
import { diffLines } from "diff";
import type { ReactNode } from "react";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { SettingChangeKind } from "../gql/graphql";

const SettingChangeFragment = graphql(`
  fragment SettingChange on SettingChange {
    path
    kind
    old
    new
    isSecret
  }
`);

const KINDS: Record<SettingChangeKind, string> = {
  ADDED: "is new",
  REMOVED: "is gone",
  CHANGED: "changed",
  REORDERED: "has another order",
};

function lines(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

interface SettingChangeProps {
  change: FragmentType<typeof SettingChangeFragment>;
}

/** One setting, before and after, line by line as in a code review. */
export function SettingChange({ change }: SettingChangeProps): ReactNode {
  const { path, kind, old, new: current, isSecret } = getFragmentData(SettingChangeFragment, change);
  const before = kind === "ADDED" ? "" : lines(old);
  const after = kind === "REMOVED" ? "" : lines(current);
  return (
    <figure className="diff">
      <Group component="figcaption" gap={6}>
        <Code>{path}</Code>
        <Text c="dimmed" size="sm">
          {KINDS[kind]}
        </Text>
      </Group>
      {isSecret ? (
        <Text fs="italic" mt={4} size="sm">
          This is a secret; its value is hidden.
        </Text>
      ) : (
        <Difference after={after} before={before} />
      )}
    </figure>
  );
}

function Difference({ before, after }: { before: string; after: string }): ReactNode {
  return (
      <pre tabIndex={0}>
        {diffLines(before, after).flatMap(({ added, removed, value }, part) =>
          value
            .trimEnd()
            .split("\n")
            .map((line, row) => {
              const [Tag, sign] = added ? (["ins", "+"] as const) : removed ? (["del", "−"] as const) : (["span", " "] as const);
              return (
                <Tag key={`${part}.${row}`}>
                  {sign} {line}
                  {"\n"}
                </Tag>
              );
            }),
        )}
      </pre>
  );
}
