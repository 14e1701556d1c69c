import { useQuery } from "@apollo/client/react";
import { Accordion, Badge, Card, Chip, DataList, Group, Text, Title } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { DriftKind } from "../gql/graphql";
import { useTenant } from "../shell/tenant";
import { LoadMore } from "../ui/LoadMore";
import { Empty, Failure, Loading } from "../ui/states";
import { count, counted, words } from "../ui/words";
import { ComparedSyncs } from "./ComparedSyncs";
import { SettingChange } from "./SettingChange";

const DriftReportFragment = graphql(`
  fragment DriftReport on DriftReport {
    scopeKey
    baselineRunId
    currentRunId
    added
    removed
    modified
    ...ComparedSyncs
  }
`);

const Findings = graphql(`
  query Findings($tenant: ID!, $run: ID!, $kinds: [DriftKind!], $after: String) {
    tenant(id: $tenant) {
      id
      driftFindings(runId: $run, kinds: $kinds, first: 20, after: $after) {
        edges {
          cursor
          node {
            id
            kind
            policyName
            policyType
            changes { path ...SettingChange }
            groups { groupId name }
          }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

const COLORS: Record<DriftKind, string> = { ADDED: "green", REMOVED: "red", MODIFIED: "blue" };

interface DriftReportProps {
  report: FragmentType<typeof DriftReportFragment>;
  runId: string;
  /** Whether the comparison ended: before that, an empty report proves nothing. */
  hasEnded: boolean;
}

/** The findings of a drift run: their number, and each policy with its changed settings. */
export function DriftReport({ report, runId, hasEnded }: DriftReportProps): ReactNode {
  const opened = getFragmentData(DriftReportFragment, report);
  const { scopeKey, added, removed, modified } = opened;
  const [kinds, setKinds] = useState<DriftKind[]>([]);
  const numbers = [
    ["ADDED", added],
    ["REMOVED", removed],
    ["MODIFIED", modified],
  ] as const;
  const total = added + removed + modified;
  return (
    <Card component="section" withBorder>
      <Title order={2} size="h4">
        {total > 0
          ? `Drift in ${counted(total, "policy", "policies")} of ${scopeKey}`
          : hasEnded
            ? `No drift in ${scopeKey}`
            : `Drift in ${scopeKey}`}
      </Title>
      <ComparedSyncs report={opened} />
      {total > 0 && (
        <>
          <Chip.Group multiple onChange={(chosen) => setKinds(chosen as DriftKind[])} value={kinds}>
            <Group aria-label="Kind of drift" gap="xs" mb="sm" role="group">
              {numbers.map(([kind, number]) => (
                <Chip color={COLORS[kind]} key={kind} size="xs" value={kind} variant="outline">
                  {words(kind)} <b>{count(number)}</b>
                </Chip>
              ))}
            </Group>
          </Chip.Group>
          <FindingList kinds={kinds} runId={runId} total={total} />
        </>
      )}
    </Card>
  );
}

interface FindingListProps {
  runId: string;
  kinds: DriftKind[];
  total: number;
}

function FindingList({ runId, kinds, total }: FindingListProps): ReactNode {
  const { id } = useTenant();
  const { data, previousData, error, fetchMore, refetch } = useQuery(Findings, {
    variables: { tenant: id, run: runId, kinds },
  });
  if (error) {
    return <Failure error={error} retry={() => void refetch()} />;
  }
  const findings = (data ?? previousData)?.tenant.driftFindings;
  if (!findings) {
    return <Loading rows={3} />;
  }
  if (findings.edges.length === 0) {
    return <Empty title="Nothing of this kind" />;
  }
  return (
    <>
      <Accordion multiple order={3} variant="contained">
        {findings.edges.map(({ node: { id: finding, kind, policyName, policyType, changes, groups } }) => (
          <Accordion.Item key={finding} value={finding}>
            <Accordion.Control data-kind={kind}>
              <Group gap="xs">
                <Badge color={COLORS[kind]} variant="light">
                  {words(kind)}
                </Badge>
                <Text className="value" fw={500}>{policyName}</Text>
                <Text c="dimmed" className="value" size="sm">
                  {policyType}
                  {changes.length > 0 && `, ${counted(changes.length, "setting")}`}
                </Text>
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              {kind !== "MODIFIED" && (
                <Text mb="sm">The whole policy is {kind === "ADDED" ? "new" : "gone"}.</Text>
              )}
              {groups.length > 0 && <GroupNames groups={groups} />}
              {changes.map((change) => (
                <SettingChange change={change} key={change.path} />
              ))}
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
      <LoadMore
        hasMore={findings.pageInfo.hasNextPage}
        label={`Show more of ${count(total)}`}
        load={() => fetchMore({ variables: { after: findings.pageInfo.endCursor } })}
      />
    </>
  );
}

/** What the ids of groups in the changes stand for. */
function GroupNames({ groups }: { groups: readonly { groupId: string; name: string }[] }): ReactNode {
  return (
    <DataList labelWidth={300} mb="sm">
      {groups.map(({ groupId, name }) => (
        <DataList.Item key={groupId}>
          <DataList.ItemLabel>{groupId}</DataList.ItemLabel>
          <DataList.ItemValue>{name}</DataList.ItemValue>
        </DataList.Item>
      ))}
    </DataList>
  );
}
