import { Anchor, Card, DataList, Group, Stack, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { Ago } from "../ui/Ago";
import { StatusBadge } from "../ui/StatusBadge";
import type { ScopeRun } from "./scopeStates";

interface ScopeCardProps {
  scope: string;
  link?: ReactNode;
  facts: readonly (readonly [label: string, value: ReactNode])[];
  /** The start buttons. */
  children: ReactNode;
}

/** A scope: its state, and the operations that can start on it. */
export function ScopeCard({ scope, link, facts, children }: ScopeCardProps): ReactNode {
  return (
    <Card aria-label={scope} component="section" withBorder>
      <Stack gap="sm" h="100%" justify="space-between">
        <Stack gap="sm">
          <Group justify="space-between" wrap="nowrap">
            <Title order={2} size="h4">
              {scope}
            </Title>
            {link}
          </Group>
          <DataList labelWidth={110}>
            {facts.map(([label, value]) => (
              <DataList.Item key={label}>
                <DataList.ItemLabel>{label}</DataList.ItemLabel>
                <DataList.ItemValue>{value}</DataList.ItemValue>
              </DataList.Item>
            ))}
          </DataList>
        </Stack>
        {children}
      </Stack>
    </Card>
  );
}

/** A link to a run: its age and result, or its state if it did not succeed. */
export function RunBrief({ run, result }: { run: ScopeRun; result: string | undefined }): ReactNode {
  const { slug } = useTenant();
  const { statusBucket } = run.live;
  return (
    <Stack align="flex-start" gap={4}>
      <span>
        <Anchor component={Link} inherit to={runPath(slug, run.id)}>
          <Ago at={run.createdAt} />
        </Anchor>
        {result && `: ${result}`}
      </span>
      {statusBucket !== "SUCCEEDED" && <StatusBadge bucket={statusBucket} />}
    </Stack>
  );
}
