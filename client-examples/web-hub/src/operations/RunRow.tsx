import { Anchor, Progress, Stack, Table, Text } from "@mantine/core";
import { memo, type ReactNode, useState } from "react";
import { Link, useLocation } from "react-router";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { RunLiveFragment } from "../gql/graphql";
import { runPath } from "../shell/paths";
import type { TitleOf } from "../shell/runTypes";
import { Ago, Elapsed } from "../ui/Ago";
import { type Findings, findingsText, outcomeText } from "../ui/outcome";
import { BUCKETS, StatusBadge } from "../ui/StatusBadge";
import { initiatorName } from "../ui/words";

/** All fields that an event may change, in one fragment, so that every page has the same ones. */
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
    subject
    createdAt
    initiator { kind name }
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
  titleOf: TitleOf;
  /** The findings of a comparison, once they are loaded. */
  findings: Findings | undefined;
}

export const RunRow = memo(function RunRow(props: RunRowProps): ReactNode {
  const { run, slug, titleOf, findings } = props;
  const { id, runType, subject, createdAt, initiator, ...rest } = getFragmentData(
    RunRowFragment,
    run,
  );
  const live = getFragmentData(RunLive, rest);
  const { search } = useLocation();
  const [isNew] = useState(() => Date.now() - Date.parse(createdAt) < NEW_MS);
  const badge = <StatusBadge bucket={live.statusBucket} />;
  return (
    <Table.Tr className={isNew ? "arrived" : ""} data-run={id} data-version={live.version}>
      <Table.Td visibleFrom="sm">{badge}</Table.Td>
      <Table.Th className="value" fw={400} scope="row">
        <Anchor component={Link} fw={500} inherit state={{ search }} to={runPath(slug, id)}>
          {titleOf(runType)}
        </Anchor>
        <Text c="dimmed" size="sm">
          {subject}
        </Text>
        <div className="narrow">{badge}</div>
      </Table.Th>
      <Table.Td>
        <Items findings={findings} isDrift={runType === "drift.generate"} live={live} />
      </Table.Td>
      <Table.Td className="value" visibleFrom="md">
        {initiatorName(initiator)}
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Ago at={createdAt} />
      </Table.Td>
      <Table.Td ta="right" visibleFrom="sm">
        <Elapsed from={live.startedAt} until={live.finishedAt} />
      </Table.Td>
    </Table.Tr>
  );
});

interface ItemsProps {
  live: RunLiveFragment;
  isDrift: boolean;
  findings: Findings | undefined;
}

function Items({ live, isDrift, findings }: ItemsProps): ReactNode {
  const { statusBucket, counts, progress } = live;
  // For a comparison, the number of compared policies is not the result.
  const saysFindings = isDrift && statusBucket === "SUCCEEDED";
  return (
    <Stack gap={4}>
      <Text c={counts.failed > 0 ? "var(--hub-red)" : "inherit"} size="sm">
        {!saysFindings ? outcomeText(live) : findings ? findingsText(findings) : "…"}
      </Text>
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
