import { useMutation } from "@apollo/client/react";
import { Alert, Anchor, Card, Stack, Text, Title } from "@mantine/core";
import { IconClock } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { Link, useParams } from "react-router";
import { graphql } from "../gql";
import type { StartOperationMutation } from "../gql/graphql";
import { RunsTable } from "../operations/RunsTable";
import { useLiveRuns } from "../operations/useLiveRuns";
import { runPath, startPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { StartNote } from "../starting/StartNote";
import { Page } from "../ui/Page";
import { Empty, Failure, Loading, NotFound } from "../ui/states";
import { runTitle } from "../ui/words";
import { ContextForm } from "./ContextForm";
import { type RunType, useRunTypes } from "./useRunTypes";

const StartOperation = graphql(`
  mutation StartOperation($input: StartOperationInput!) {
    startOperation(input: $input) {
      outcome
      run { id runType subject }
      userErrors { message field }
    }
  }
`);

type Payload = StartOperationMutation["startOperation"];

/** Starts a run of one type with a form, and shows the latest runs of this type. */
export function StartRunPage(): ReactNode {
  const { runType: name = "" } = useParams();
  const { id, slug } = useTenant();
  const { runTypes, error, retry } = useRunTypes(id);
  const runType = runTypes?.find((one) => one.name === name);
  const back = (
    <Anchor component={Link} size="sm" to={startPath(slug)}>
      ← All operations to start
    </Anchor>
  );
  if (runTypes && !runType) {
    return (
      <NotFound back={back} title="Operation not found">
        This installation has no operation “{name}”. The package that announces it may not be installed.
      </NotFound>
    );
  }
  return (
    <Stack gap="xs">
      {back}
      {error && <Failure error={error} retry={retry} />}
      {runType ? <Start key={name} runType={runType} /> : !error && <Loading />}
    </Stack>
  );
}

function Start({ runType }: { runType: RunType }): ReactNode {
  const { name, title, description, contextSchema, isServed, startPermission } = runType;
  const { id } = useTenant();
  const runs = useLiveRuns(id, { runTypes: [name] }, 5);
  const [startOperation] = useMutation(StartOperation);
  const [started, setStarted] = useState<Payload>();

  async function start(context: unknown): Promise<Payload["userErrors"]> {
    setStarted(undefined);
    const input = { tenantId: id, runType: name, context };
    const payload = (await startOperation({ variables: { input } })).data?.startOperation;
    setStarted(payload);
    return payload?.userErrors ?? [];
  }

  return (
    <Page lead={description} title={title}>
      <StartNote permission={startPermission} />
      {!isServed && (
        <Alert color="orange" icon={<IconClock aria-hidden />} role="status" title="No worker is ready">
          No running worker knows this operation. It waits until one starts.
        </Alert>
      )}
      {startPermission.allowed && (
        <Card component="section" aria-label="Parameters" withBorder>
          <Stack gap="sm" maw={640}>
            <ContextForm schema={contextSchema} start={start} />
            <Text className="value" role="status">
              <Started payload={started} />
            </Text>
          </Stack>
        </Card>
      )}
      <Title order={2} size="h3">
        Latest operations
      </Title>
      <RunsTable
        caption="Latest operations of this type, newest first"
        empty={<Empty title="Nothing ran in the last 30 days" />}
        live={runs}
      />
    </Page>
  );
}

function Started({ payload }: { payload: Payload | undefined }): ReactNode {
  const { slug, titleOf } = useTenant();
  if (!payload?.run) {
    return null;
  }
  const { run, outcome } = payload;
  return (
    <>
      {runTitle(run, titleOf)} {outcome === "REUSED_ACTIVE" ? "is already under way." : "was started."}{" "}
      <Anchor component={Link} inherit to={runPath(slug, run.id)}>
        View run
      </Anchor>
    </>
  );
}
