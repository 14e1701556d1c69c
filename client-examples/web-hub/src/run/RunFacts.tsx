import { Card, Code, DataList, Title } from "@mantine/core";
import type { ReactNode } from "react";
import type { RunLiveFragment } from "../gql/graphql";
import { Elapsed } from "../ui/Ago";
import { duration, initiatorName, moment } from "../ui/words";
import type { Run } from "./useLiveRun";

/** Who, what and when. */
export function RunFacts({ run, live }: { run: Run; live: RunLiveFragment }): ReactNode {
  const facts: [string, ReactNode][] = [
    ["Works on", run.subject],
    ["Started by", initiatorName(run.initiator)],
    ["Created", moment(run.createdAt)],
    ["Waited", duration(live.queuedSeconds)],
    ["Took", <Elapsed from={live.startedAt} key="took" until={live.finishedAt} />],
    ["Finished", live.finishedAt ? moment(live.finishedAt) : "Not yet"],
    ["Attempt", live.attempt || "None yet"],
    ["Kept until", live.expiresAt ? moment(live.expiresAt) : "Decided when it ends"],
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
            <DataList.ItemValue className="value">{value}</DataList.ItemValue>
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
