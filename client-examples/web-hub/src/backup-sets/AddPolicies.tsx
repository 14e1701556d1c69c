import { useMutation } from "@apollo/client/react";
import { Button, Card, Checkbox, Group, NativeSelect, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { graphql } from "../gql";
import { usePolicies } from "../inventory/policies";
import { useScopes } from "../inventory/scopes";
import { hasEnded } from "../operations/RunRow";
import { RunsTable } from "../operations/RunsTable";
import { useLiveRuns } from "../operations/useLiveRuns";
import { useTenant } from "../shell/tenant";
import { StartButton } from "../starting/StartButton";
import { StartNote } from "../starting/StartNote";
import { useStartPermission } from "../starting/permission";
import { LoadMore } from "../ui/LoadMore";
import { Empty, Failure } from "../ui/states";
import { counted } from "../ui/words";

const RUN_TYPE = "backup_set.add_policies";

const AddToSet = graphql(`
  mutation AddToSet($input: AddPoliciesToBackupSetInput!) {
    addPoliciesToBackupSet(input: $input) { ...Started }
  }
`);

/** Choose policies of a scope and copy them into a set. */
export function AddPolicies({ setId, onAdded }: { setId: string; onAdded: () => void }): ReactNode {
  const { id } = useTenant();
  const permission = useStartPermission(id, RUN_TYPE);
  const { scopes } = useScopes(id);
  const [scope, setScope] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const [addToSet] = useMutation(AddToSet);
  const runs = useLiveRuns(id, { runTypes: [RUN_TYPE] }, 3);
  const ended = runs.runs.filter(hasEnded).length;
  useEffect(onAdded, [ended]);
  const key = scope || scopes?.find(({ lastSnapshotRunId }) => lastSnapshotRunId)?.key;
  return (
    <>
      <StartNote permission={permission} />
      {permission.allowed && (
        <Card component="section" withBorder>
          <Stack gap="sm">
            <Title order={2} size="h4">
              Add policies
            </Title>
            <NativeSelect
              data={scopes?.map((one) => one.key) ?? []}
              label="Scope"
              maw={320}
              onChange={({ currentTarget }) => {
                setScope(currentTarget.value);
                setChosen([]);
              }}
              value={key ?? ""}
            />
            {key && <Choice chosen={chosen} onChange={setChosen} scope={key} />}
            <StartButton
              obstacle={chosen.length === 0 ? "Choose the policies to add." : undefined}
              label={`Add ${counted(chosen.length, "policy", "policies")}`}
              onStarted={() => setChosen([])}
              permission={permission}
              start={async () => {
                const input = { backupSetId: setId, policyIds: chosen };
                return (await addToSet({ variables: { input } })).data?.addPoliciesToBackupSet;
              }}
            />
          </Stack>
        </Card>
      )}
      <Title order={2} size="h3">
        Latest additions to backup sets
      </Title>
      <RunsTable
        caption="Additions to backup sets, newest first"
        empty={<Empty title="Nothing was added in the last 30 days" />}
        live={runs}
      />
    </>
  );
}

interface ChoiceProps {
  scope: string;
  chosen: string[];
  onChange: (chosen: string[]) => void;
}

function Choice({ scope, chosen, onChange }: ChoiceProps): ReactNode {
  const { id } = useTenant();
  const { policies, error, hasMore, loadMore, retry } = usePolicies(id, scope);
  if (error) {
    return <Failure error={error} retry={retry} />;
  }
  if (policies?.length === 0) {
    return <Text c="dimmed">Sync this scope first: it has no policies yet.</Text>;
  }
  return (
    <div>
      <Checkbox.Group label="Policies" onChange={onChange} value={chosen}>
        <Stack className="choice" gap="xs" mt="xs">
          {policies?.map(({ id: policy, name, policyType }) => (
            <Checkbox description={policyType} key={policy} label={name} value={policy} />
          ))}
        </Stack>
      </Checkbox.Group>
      <Group mt="xs">
        <Button
          onClick={() => onChange(policies?.map(({ id: policy }) => policy) ?? [])}
          size="xs"
          variant="subtle"
        >
          Choose all shown
        </Button>
      </Group>
      <LoadMore hasMore={hasMore} label="Show more policies" load={loadMore} />
    </div>
  );
}
