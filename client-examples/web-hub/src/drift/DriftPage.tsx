import { useMutation } from "@apollo/client/react";
import { SimpleGrid, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { graphql } from "../gql";
import { RunBrief, ScopeCard } from "../inventory/ScopeCard";
import { COMPARISON, type ScopeState, useScopeStates } from "../inventory/scopeStates";
import { useScopes } from "../inventory/scopes";
import { RunsTable } from "../operations/RunsTable";
import { useFindings } from "../operations/useFindings";
import { useLiveRuns } from "../operations/useLiveRuns";
import { useTenant } from "../shell/tenant";
import { StartButton } from "../starting/StartButton";
import { StartNote } from "../starting/StartNote";
import { type Permission, useStartPermission } from "../starting/permission";
import { Ago } from "../ui/Ago";
import { type Findings, findingsText } from "../ui/outcome";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { count } from "../ui/words";
import { NewestReport } from "./NewestReport";

const StartDrift = graphql(`
  mutation StartDrift($input: StartDriftGenerationInput!) {
    startDriftGeneration(input: $input) { ...Started }
  }
`);

export function DriftPage(): ReactNode {
  const { id } = useTenant();
  const { scopes, error, refetch } = useScopes(id);
  const stateOf = useScopeStates(id);
  const permission = useStartPermission(id, COMPARISON);
  const comparisons = useLiveRuns(id, { runTypes: [COMPARISON] }, 5);
  const states = scopes && stateOf && scopes.map(({ key }) => ({ key, state: stateOf(key) }));
  const lastComparisons = states?.flatMap(({ state }) => state.lastComparison ?? []) ?? [];
  const findings = useFindings(lastComparisons.map(({ node }) => node));
  const newest = lastComparisons
    .filter(({ live }) => live.statusBucket === "SUCCEEDED")
    .toSorted((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt))[0];
  return (
    <Page
      lead="Compare the last two complete syncs of a scope: what is new, gone or changed?"
      title="Drift"
    >
      <StartNote permission={permission} />
      {error && <Failure error={error} retry={refetch} />}
      {!states ? (
        !error && <Loading rows={2} />
      ) : states.length === 0 ? (
        <Empty title="No scopes">There is nothing to compare.</Empty>
      ) : (
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
          {states.map(({ key, state }) => (
            <Scope
              findings={state.lastComparison && findings.get(state.lastComparison.id)}
              key={key}
              permission={permission}
              scope={key}
              state={state}
            />
          ))}
        </SimpleGrid>
      )}
      {newest && <NewestReport run={newest.id} />}
      <Title order={2} size="h3">
        Comparisons
      </Title>
      <RunsTable
        caption="Drift comparisons, newest first"
        empty={<Empty title="Nothing was compared in the last 30 days" />}
        live={comparisons}
      />
    </Page>
  );
}

interface ScopeProps {
  scope: string;
  state: ScopeState;
  findings: Findings | undefined;
  permission: Permission;
}

function Scope({ scope, state, findings, permission }: ScopeProps): ReactNode {
  const { id } = useTenant();
  const [startDrift] = useMutation(StartDrift);
  const { wholeSyncs, mayHaveMore, lastComparison } = state;
  const [lastSync] = wholeSyncs;
  const isShort = wholeSyncs.length < 2 && !mayHaveMore;
  return (
    <ScopeCard
      facts={[
        ["Whole syncs", `${count(wholeSyncs.length)}${mayHaveMore ? " or more" : ""}`],
        ["Last one", lastSync ? <Ago at={lastSync.createdAt} key="last" /> : "Never"],
        [
          "Last compared",
          lastComparison ? (
            <RunBrief key="compared" result={findings && findingsText(findings)} run={lastComparison} />
          ) : (
            "Never"
          ),
        ],
      ]}
      scope={scope}
    >
      <StartButton
        label={
          <>
            Compare<span className="hidden"> {scope}</span>
          </>
        }
        obstacle={
          isShort
            ? `Needs two complete syncs, has ${wholeSyncs.length || "none"}. Sync the scope under Inventory.`
            : undefined
        }
        permission={permission}
        start={async () => {
          const input = { tenantId: id, scopeKey: scope };
          return (await startDrift({ variables: { input } })).data?.startDriftGeneration;
        }}
      />
    </ScopeCard>
  );
}
