import { SimpleGrid, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { useSearchParams } from "react-router";
import { hasEnded } from "../operations/RunRow";
import { RunsTable } from "../operations/RunsTable";
import { useLiveRuns } from "../operations/useLiveRuns";
import { useTenant } from "../shell/tenant";
import { StartNote } from "../starting/StartNote";
import { useStartPermission } from "../starting/permission";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { providerText } from "./formats";
import { PolicyTable } from "./PolicyTable";
import { SyncCard } from "./SyncCard";
import { SYNC, useScopeStates } from "./scopeStates";
import { useScopes } from "./scopes";

export function InventoryPage(): ReactNode {
  const { id, provider } = useTenant();
  const [params] = useSearchParams();
  const { scopes, error, refetch } = useScopes(id);
  const stateOf = useScopeStates(id);
  const permission = useStartPermission(id, SYNC);
  const syncs = useLiveRuns(id, { runTypes: [SYNC] }, 5);
  const ended = syncs.runs.filter(hasEnded).length;
  const synced = scopes?.find(({ lastSnapshotRunId }) => lastSnapshotRunId);
  const chosen = params.get("scope") ?? synced?.key;

  // A sync that ended may have stored a new snapshot.
  useEffect(refetch, [ended]);

  return (
    <Page
      lead={`${providerText(provider)} A sync stores the policies of a scope as a snapshot. Two complete snapshots show what drifted.`}
      title="Inventory"
    >
      <StartNote permission={permission} />
      {error && <Failure error={error} retry={refetch} />}
      {!scopes || !stateOf ? (
        !error && <Loading rows={2} />
      ) : scopes.length === 0 ? (
        <Empty title="No scopes">The provider of this tenant has nothing to sync.</Empty>
      ) : (
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
          {scopes.map((scope) => (
            <SyncCard
              key={scope.key}
              permission={permission}
              scope={scope}
              state={stateOf(scope.key)}
            />
          ))}
        </SimpleGrid>
      )}
      <Title order={2} size="h3">
        Syncs
      </Title>
      <RunsTable
        caption="Inventory syncs, newest first"
        empty={<Empty title="Nothing was synced in the last 30 days" />}
        live={syncs}
      />
      {chosen && <PolicyTable key={`${chosen} ${ended}`} scope={chosen} />}
    </Page>
  );
}
