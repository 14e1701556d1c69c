import { Anchor, Button, CopyButton, Grid, Group, Stack } from "@mantine/core";
import { IconCheck, IconLink } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link, useLocation, useParams } from "react-router";
import { codeOf } from "../api/client";
import { getFragmentData } from "../gql";
import { RunLive } from "../operations/RunRow";
import { operationsPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { Page } from "../ui/Page";
import { StatusBadge } from "../ui/StatusBadge";
import { Failure, Loading, NotFound } from "../ui/states";
import { runTitle } from "../ui/words";
import { RunCounts } from "./RunCounts";
import { RunFacts } from "./RunFacts";
import { RunFailures } from "./RunFailures";
import { RunRelated } from "./RunRelated";
import { RunSkipped } from "./RunSkipped";
import { RunTimeline } from "./RunTimeline";
import { type Run, useLiveRun } from "./useLiveRun";

/** The codes for an id that is mistyped, or from a tenant without a membership. */
const LEADS_NOWHERE = new Set<unknown>(["BAD_USER_INPUT", "FORBIDDEN", "NOT_FOUND"]);

export function RunPage(): ReactNode {
  const { runId = "" } = useParams();
  const { run, error, retry } = useLiveRun(runId);
  const { id, slug } = useTenant();
  const location = useLocation();
  const { search = "" } = (location.state ?? {}) as { search?: string };
  const list = operationsPath(slug) + search;
  const isLost = LEADS_NOWHERE.has(codeOf(error)) || run === null || (run && run.tenant.id !== id);
  if (isLost) {
    return (
      <NotFound
        back={
          <Anchor component={Link} to={list}>
            Go to all operations
          </Anchor>
        }
        title="Operation not found"
      >
        The link may be cut off, or belong to another tenant, or the operation was deleted: your tenant
        keeps operations for a limited time.
      </NotFound>
    );
  }
  return (
    <Stack gap="xs">
      <Anchor component={Link} size="sm" to={list}>
        ← All operations
      </Anchor>
      {error && <Failure error={error} retry={retry} />}
      {run ? <Detail run={run} /> : !error && <Loading />}
    </Stack>
  );
}

function Detail({ run }: { run: Run }): ReactNode {
  const { titleOf } = useTenant();
  const live = getFragmentData(RunLive, run);
  // For a comparison, the report shows the result, not the number of compared policies.
  const verb = run.runType === "drift.generate" ? "compared" : undefined;
  return (
    <Page
      actions={<CopyLink url={run.url} />}
      lead={
        <Group gap="xs">
          <StatusBadge bucket={live.statusBucket} />
          {live.statusExplanation} {live.finishedAt === null && run.waitingReason}
        </Group>
      }
      title={runTitle(run, titleOf)}
    >
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: 8 }}>
          <Stack gap="lg">
            <RunCounts live={live} verb={verb} />
            <RunRelated hasEnded={live.finishedAt !== null} run={run} />
            <RunFailures run={run} />
            {live.counts.skipped > 0 && (
              <RunSkipped count={live.counts.skipped} key={live.counts.skipped} run={run.id} />
            )}
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Stack gap="lg">
            <RunFacts live={live} run={run} />
            <RunTimeline run={run} verb={verb} />
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  );
}

function CopyLink({ url }: { url: string }): ReactNode {
  return (
    <CopyButton value={url}>
      {({ copied, copy }) => (
        <Button
          leftSection={copied ? <IconCheck aria-hidden size={16} /> : <IconLink aria-hidden size={16} />}
          onClick={copy}
          variant="default"
        >
          <span aria-live="polite">{copied ? "Copied" : "Copy link"}</span>
        </Button>
      )}
    </CopyButton>
  );
}
