import {
  Anchor,
  Button,
  Card,
  Code,
  CopyButton,
  DataList,
  Grid,
  Group,
  Progress,
  SimpleGrid,
  Stack,
  Text,
  Title,
} from "@mantine/core";
import { IconCheck, IconLink } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link, useLocation, useParams } from "react-router";
import { getFragmentData } from "../gql";
import type { RunLiveFragment } from "../gql/graphql";
import { RunLive } from "../operations/RunRow";
import { operationsPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { Elapsed } from "../ui/Ago";
import { Page } from "../ui/Page";
import { BUCKETS, StatusBadge } from "../ui/StatusBadge";
import { Empty, Failure, Loading } from "../ui/states";
import { count, duration, moment, runTypeName, scopeOf } from "../ui/words";
import { RunFailures } from "./RunFailures";
import { RunRelated } from "./RunRelated";
import { RunTimeline } from "./RunTimeline";
import { type Run, useLiveRun } from "./useLiveRun";

export function RunPage(): ReactNode {
  const { runId = "" } = useParams();
  const { run, error, retry } = useLiveRun(runId);
  const { slug } = useTenant();
  const location = useLocation();
  const { search = "" } = (location.state ?? {}) as { search?: string };
  const back = (
    <Anchor component={Link} size="sm" to={operationsPath(slug) + search}>
      ← All operations
    </Anchor>
  );
  return (
    <Stack gap="xs">
      {back}
      {error && <Failure error={error} retry={retry} />}
      {run ? (
        <Detail run={run} />
      ) : run === null ? (
        <Empty title="There is no such operation">
          It may have been deleted because your tenant keeps operations only for so long.
        </Empty>
      ) : (
        !error && <Loading />
      )}
    </Stack>
  );
}

function Detail({ run }: { run: Run }): ReactNode {
  const live = getFragmentData(RunLive, run);
  const scope = scopeOf(run.context);
  const title = runTypeName(run.runType);
  return (
    <Page
      actions={<CopyLink url={run.url} />}
      lead={
        <Group gap="xs">
          <StatusBadge bucket={live.statusBucket} />
          {live.statusExplanation}
        </Group>
      }
      title={scope ? `${title} (${scope})` : title}
    >
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: 8 }}>
          <Stack gap="lg">
            <Counts live={live} />
            <RunRelated run={run} />
            <RunFailures run={run} />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Stack gap="lg">
            <Facts live={live} run={run} />
            <RunTimeline run={run} />
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

function Counts({ live }: { live: RunLiveFragment }): ReactNode {
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
        <Text fw={600}>
          {count(counts.processed)} of {counts.total === null ? "?" : count(counts.total)} items
        </Text>
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

function Facts({ run, live }: { run: Run; live: RunLiveFragment }): ReactNode {
  const facts: [string, ReactNode][] = [
    ["Started by", run.initiator.name],
    ["Created", moment(run.createdAt)],
    ["Waited", duration(live.queuedSeconds)],
    ["Took", <Elapsed from={live.startedAt} key="took" until={live.finishedAt} />],
    ["Finished", live.finishedAt ? moment(live.finishedAt) : "not yet"],
    ["Attempt", live.attempt || "none yet"],
    ["Kept until", live.expiresAt ? moment(live.expiresAt) : "not decided before it ends"],
  ];
  return (
    <Card component="section" withBorder>
      <Title mb="sm" order={2} size="h4">
        Facts
      </Title>
      <DataList labelWidth={90}>
        {facts.map(([label, value]) => (
          <DataList.Item key={label}>
            <DataList.ItemLabel>{label}</DataList.ItemLabel>
            <DataList.ItemValue>{value}</DataList.ItemValue>
          </DataList.Item>
        ))}
      </DataList>
      <details className="context">
        <summary>Parameters</summary>
        <Code block>{JSON.stringify(run.context, null, 2)}</Code>
      </details>
    </Card>
  );
}
