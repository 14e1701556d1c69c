import { Card, Group, Progress, SimpleGrid, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { RunLiveFragment } from "../gql/graphql";
import { outcomeText } from "../ui/outcome";
import { BUCKETS } from "../ui/StatusBadge";
import { count } from "../ui/words";

interface RunCountsProps {
  live: RunLiveFragment;
  /** A verb for the items of this type of run, instead of "succeeded". */
  verb?: string | undefined;
}

/** The progress of a run, and the results of its items. */
export function RunCounts({ live, verb }: RunCountsProps): ReactNode {
  const { counts, progress, statusBucket, finishedAt } = live;
  const parts = [
    ["Succeeded", counts.succeeded, "green"],
    ["Failed", counts.failed, "red"],
    ["Skipped", counts.skipped, "gray"],
  ] as const;
  const share = (part: number): number => (counts.total ? (100 * part) / counts.total : 0);
  return (
    <Card component="section" aria-label="Progress" withBorder>
      <Group align="baseline" justify="space-between" mb="xs">
        <Text fw={600}>{outcomeText(live, verb)}</Text>
        {progress !== null && <Text c="dimmed">{Math.floor(progress * 100)} %</Text>}
      </Group>
      <Progress.Root
        aria-label="Progress"
        aria-valuemax={100}
        aria-valuemin={0}
        aria-valuenow={Math.floor((progress ?? 0) * 100)}
        role="progressbar"
        size="lg"
      >
        {parts.map(([label, part, color]) => (
          <Progress.Section color={color} key={label} value={share(part)} withAria={false} />
        ))}
        {counts.total === null && finishedAt === null && statusBucket === "RUNNING" && (
          <Progress.Section animated color={BUCKETS.RUNNING.color} value={100} withAria={false} />
        )}
      </Progress.Root>
      <SimpleGrid cols={3} mt="md">
        {parts.map(([label, part, color]) => (
          <div key={label}>
            <Text c="dimmed" size="sm">
              {label}
            </Text>
            <Text c={part > 0 && color !== "gray" ? `var(--hub-${color})` : "inherit"} fw={600} size="xl">
              {count(part)}
            </Text>
          </div>
        ))}
      </SimpleGrid>
    </Card>
  );
}
