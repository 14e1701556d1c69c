import { Anchor, Group, Progress, Stack, Table, Text } from "@mantine/core";
import { memo, type ReactNode, useState } from "react";
import { Link, useLocation } from "react-router";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { RunLiveFragment } from "../gql/graphql";
import { runPath } from "../shell/paths";
import { Ago, Elapsed } from "../ui/Ago";
import { BUCKETS, StatusBadge } from "../ui/StatusBadge";
import { count, runTypeName, scopeOf } from "../ui/words";

/** All that an event may change, in one place, so that every page holds the same. */
export const RunLive = graphql(`
  fragment RunLive on OperationRun {
    version
    statusBucket
    statusExplanation
    counts { total processed succeeded failed skipped }
    progress
    attempt
    startedAt
    finishedAt
    expiresAt
    queuedSeconds
  }
`);

export const RunRowFragment = graphql(`
  fragment RunRow on OperationRun {
    id
    runType
    context
    createdAt
    initiator { id name }
    ...RunLive
  }
`);

export function hasEnded(run: FragmentType<typeof RunRowFragment>): boolean {
  return getFragmentData(RunLive, getFragmentData(RunRowFragment, run)).finishedAt !== null;
}

const NEW_MS = 5_000;

interface RunRowProps {
  run: FragmentType<typeof RunRowFragment>;
  slug: string;
}

export const RunRow = memo(function RunRow({ run, slug }: RunRowProps): ReactNode {
  const { id, runType, context, createdAt, initiator, ...rest } = getFragmentData(
    RunRowFragment,
    run,
  );
  const live = getFragmentData(RunLive, rest);
  const { search } = useLocation();
  const [isNew] = useState(() => Date.now() - Date.parse(createdAt) < NEW_MS);
  const scope = scopeOf(context);
  return (
    <Table.Tr className={isNew ? "arrived" : ""} data-run={id} data-version={live.version}>
      <Table.Td>
        <StatusBadge bucket={live.statusBucket} />
      </Table.Td>
      <Table.Th fw={400} scope="row">
        <Anchor component={Link} fw={500} inherit state={{ search }} to={runPath(slug, id)}>
          {runTypeName(runType)}
        </Anchor>
        {scope && (
          <Text c="dimmed" size="sm">
            {scope}
          </Text>
        )}
      </Table.Th>
      <Table.Td>
        <Counted live={live} />
      </Table.Td>
      <Table.Td visibleFrom="md">{initiator.name}</Table.Td>
      <Table.Td visibleFrom="sm">
        <Ago at={createdAt} />
      </Table.Td>
      <Table.Td ta="right" visibleFrom="sm">
        <Elapsed from={live.startedAt} until={live.finishedAt} />
      </Table.Td>
    </Table.Tr>
  );
});

function Counted({ live }: { live: RunLiveFragment }): ReactNode {
  const { statusBucket, counts, progress } = live;
  const { processed, total, failed } = counts;
  return (
    <Stack gap={4} miw={110}>
      <Group gap={6} wrap="nowrap">
        <Text size="sm">
          {total === null ? count(processed) : `${count(processed)} of ${count(total)}`}
        </Text>
        {failed > 0 && (
          <Text c="var(--hub-red)" size="sm">
            {count(failed)} failed
          </Text>
        )}
      </Group>
      {statusBucket === "RUNNING" && (
        <Progress
          animated
          aria-label="Progress"
          color={BUCKETS.RUNNING.color}
          size="sm"
          value={(progress ?? 1) * 100}
        />
      )}
    </Stack>
  );
}
