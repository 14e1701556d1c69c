import { Anchor, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import { runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { moment } from "../ui/words";

const ComparedSyncsFragment = graphql(`
  fragment ComparedSyncs on DriftReport {
    baselineRun { id createdAt }
    currentRun { id createdAt }
  }
`);

/** The two syncs that a report compares, with their times; retention may have deleted them. */
export function ComparedSyncs({ report }: { report: FragmentType<typeof ComparedSyncsFragment> }): ReactNode {
  const { baselineRun, currentRun } = getFragmentData(ComparedSyncsFragment, report);
  return (
    <Text c="dimmed" mb="sm" size="sm">
      Compares the <Sync run={currentRun} /> with the <Sync run={baselineRun} />.
    </Text>
  );
}

function Sync({ run }: { run: { id: string; createdAt: string } | null }): ReactNode {
  const { slug } = useTenant();
  return run === null ? (
    "sync that was deleted"
  ) : (
    <Anchor component={Link} inherit to={runPath(slug, run.id)}>
      sync of {moment(run.createdAt)}
    </Anchor>
  );
}
