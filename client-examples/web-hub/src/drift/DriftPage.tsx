import { useMutation, useQuery } from "@apollo/client/react";
import { Group, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { getFragmentData, graphql } from "../gql";
import { useScopes } from "../inventory/scopes";
import { RunLive, RunRowFragment } from "../operations/RunRow";
import { RunsTable } from "../operations/RunsTable";
import { useLiveRuns } from "../operations/useLiveRuns";
import { useTenant } from "../shell/tenant";
import { StartButton } from "../starting/StartButton";
import { StartNote } from "../starting/StartNote";
import { useStartPermission } from "../starting/permission";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { DriftReport } from "./DriftReport";

const RUN_TYPE = "drift.generate";

const StartDrift = graphql(`
  mutation StartDrift($input: StartDriftGenerationInput!) {
    startDriftGeneration(input: $input) { ...Started }
  }
`);

const ReportOfRun = graphql(`
  query ReportOfRun($run: ID!) {
    node(id: $run) {
      id
      __typename
      ... on OperationRun {
        related { __typename ...DriftReport }
      }
    }
  }
`);

export function DriftPage(): ReactNode {
  const { id } = useTenant();
  const { scopes, error, refetch } = useScopes(id);
  const permission = useStartPermission(id, RUN_TYPE);
  const [startDrift] = useMutation(StartDrift);
  const comparisons = useLiveRuns(id, { runTypes: [RUN_TYPE] }, 5);
  const newest = comparisons.runs.find((run) => {
    const { statusBucket } = getFragmentData(RunLive, getFragmentData(RunRowFragment, run));
    return statusBucket === "SUCCEEDED";
  });
  return (
    <Page
      lead="Compare the last two whole syncs of a scope: what is new, gone or changed?"
      title="Drift"
    >
      <StartNote permission={permission} />
      {error && <Failure error={error} retry={refetch} />}
      {scopes?.length === 0 && <Empty title="No scopes">There is nothing to compare.</Empty>}
      <Group align="flex-start">
        {scopes?.map(({ key }) => (
          <StartButton
            key={key}
            label={`Compare ${key}`}
            permission={permission}
            start={async () => {
              const input = { tenantId: id, scopeKey: key };
              return (await startDrift({ variables: { input } })).data?.startDriftGeneration;
            }}
          />
        ))}
      </Group>
      <Title order={2} size="h3">
        Comparisons
      </Title>
      <RunsTable
        caption="Drift comparisons, newest first"
        empty={<Empty title="Nothing was compared in the last 30 days" />}
        live={comparisons}
      />
      {newest && <NewestReport run={newest.id} />}
    </Page>
  );
}

function NewestReport({ run }: { run: string }): ReactNode {
  const { data, error, refetch } = useQuery(ReportOfRun, { variables: { run } });
  if (error) {
    return <Failure error={error} retry={() => void refetch()} />;
  }
  if (data?.node?.__typename !== "OperationRun") {
    return <Loading rows={3} />;
  }
  return data.node.related.map(
    (resource) =>
      resource.__typename === "DriftReport" && (
        <DriftReport key={run} report={resource} runId={run} />
      ),
  );
}
