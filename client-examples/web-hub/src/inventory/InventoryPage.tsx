import { useMutation } from "@apollo/client/react";
import { Anchor, Card, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { Link, useSearchParams } from "react-router";
import { graphql } from "../gql";
import { hasEnded } from "../operations/RunRow";
import { RunsTable } from "../operations/RunsTable";
import { useLiveRuns } from "../operations/useLiveRuns";
import { inventoryPath, runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { StartButton } from "../starting/StartButton";
import { StartNote } from "../starting/StartNote";
import { useStartPermission } from "../starting/permission";
import { Ago } from "../ui/Ago";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading } from "../ui/states";
import { PolicyTable } from "./PolicyTable";
import { useScopes } from "./scopes";

const RUN_TYPE = "inventory.sync";

const StartSync = graphql(`
  mutation StartSync($input: StartInventorySyncInput!) {
    startInventorySync(input: $input) { ...Started }
  }
`);

export function InventoryPage(): ReactNode {
  const { id, slug } = useTenant();
  const [params] = useSearchParams();
  const { scopes, error, refetch } = useScopes(id);
  const permission = useStartPermission(id, RUN_TYPE);
  const [startSync] = useMutation(StartSync);
  const syncs = useLiveRuns(id, { runTypes: [RUN_TYPE] }, 5);
  const ended = syncs.runs.filter(hasEnded).length;
  const synced = scopes?.find(({ lastSnapshotRunId }) => lastSnapshotRunId);
  const chosen = params.get("scope") ?? synced?.key;

  // A sync that ended may have brought a new snapshot.
  useEffect(refetch, [ended]);

  return (
    <Page
      lead="Read the policies of a scope into a snapshot. Two whole snapshots show what drifted."
      title="Inventory"
    >
      <StartNote permission={permission} />
      {error && <Failure error={error} retry={refetch} />}
      {!scopes ? (
        !error && <Loading rows={2} />
      ) : scopes.length === 0 ? (
        <Empty title="No scopes">The provider of this tenant has nothing to sync.</Empty>
      ) : (
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
          {scopes.map(({ key, lastSeenAt, lastSnapshotRunId }) => (
            <Card component="section" key={key} withBorder>
              <Stack gap="sm">
                <Group justify="space-between">
                  <Title order={2} size="h4">
                    {key}
                  </Title>
                  <Anchor component={Link} size="sm" to={inventoryPath(slug, key)}>
                    Policies<span className="hidden"> of {key}</span>
                  </Anchor>
                </Group>
                <Text c="dimmed" size="sm">
                  Seen <Ago at={lastSeenAt} />
                  {". "}
                  {lastSnapshotRunId ? (
                    <Anchor component={Link} inherit to={runPath(slug, lastSnapshotRunId)}>
                      Last whole sync<span className="hidden"> of {key}</span>
                    </Anchor>
                  ) : (
                    "Never synced as a whole."
                  )}
                </Text>
                <StartButton
                  label={`Sync ${key}`}
                  permission={permission}
                  start={async () => {
                    const input = { tenantId: id, scopeKey: key };
                    return (await startSync({ variables: { input } })).data?.startInventorySync;
                  }}
                />
              </Stack>
            </Card>
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
