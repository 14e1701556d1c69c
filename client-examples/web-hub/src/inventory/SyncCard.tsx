import { useMutation } from "@apollo/client/react";
import { Anchor } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { graphql } from "../gql";
import type { ScopesQuery } from "../gql/graphql";
import { inventoryPath, runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { StartButton } from "../starting/StartButton";
import type { Permission } from "../starting/permission";
import { Ago } from "../ui/Ago";
import { outcomeText } from "../ui/outcome";
import { formatsText } from "./formats";
import { RunBrief, ScopeCard } from "./ScopeCard";
import { SyncAsEmpty } from "./SyncAsEmpty";
import type { ScopeState } from "./scopeStates";

const StartSync = graphql(`
  mutation StartSync($input: StartInventorySyncInput!) {
    startInventorySync(input: $input) { ...Started }
  }
`);

interface SyncCardProps {
  scope: ScopesQuery["tenant"]["inventoryScopes"][number];
  state: ScopeState;
  permission: Permission;
}

/** A scope with its syncs, and the button that starts another. */
export function SyncCard({ scope, state, permission }: SyncCardProps): ReactNode {
  const { id, slug } = useTenant();
  const [startSync] = useMutation(StartSync);
  const { key, lastSeenAt, lastSnapshotRunId, formats } = scope;
  const { lastSync, wholeSyncs } = state;
  const start = async (allowEmpty: boolean) => {
    const input = { tenantId: id, scopeKey: key, allowEmpty };
    return (await startSync({ variables: { input } })).data?.startInventorySync;
  };
  const snapshot = wholeSyncs.find((run) => run.id === lastSnapshotRunId) ?? wholeSyncs[0];
  return (
    <ScopeCard
      facts={[
        ["Last seen", <Ago at={lastSeenAt} key="seen" />],
        [
          "Last sync",
          lastSync ? <RunBrief key="sync" result={outcomeText(lastSync.live)} run={lastSync} /> : "Never",
        ],
        [
          "Last complete sync",
          snapshot ? (
            <Anchor component={Link} inherit key="whole" to={runPath(slug, snapshot.id)}>
              <Ago at={snapshot.createdAt} />
            </Anchor>
          ) : (
            "Never"
          ),
        ],
        ...(formats.length ? ([["Holds", formatsText(formats)]] as const) : []),
      ]}
      link={
        <Anchor component={Link} size="sm" to={inventoryPath(slug, key)}>
          Policies<span className="hidden"> of {key}</span>
        </Anchor>
      }
      scope={key}
    >
      {lastSync?.live.statusBucket === "FAILED" && (
        <SyncAsEmpty
          run={lastSync.id}
          scope={key}
          permission={permission}
          start={() => start(true)}
        />
      )}
      <StartButton
        label={
          <>
            Sync<span className="hidden"> {key}</span>
          </>
        }
        permission={permission}
        start={() => start(false)}
      />
    </ScopeCard>
  );
}
