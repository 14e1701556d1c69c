import { useQuery } from "@apollo/client/react";
import { Card, Text, Timeline, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { RunEventKind } from "../gql/graphql";
import { LoadMore } from "../ui/LoadMore";
import { outcomeText } from "../ui/outcome";
import { BUCKETS } from "../ui/StatusBadge";
import { moment } from "../ui/words";

const EventPageFragment = graphql(`
  fragment EventPage on RunEventConnection {
    edges {
      cursor
      node {
        kind
        version
        statusBucket
        attempt
        occurredAt
        counts { total processed succeeded failed skipped }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
`);

const RunTimelineFragment = graphql(`
  fragment RunTimeline on OperationRun {
    id
    events(first: 50) { ...EventPage }
  }
`);

const MoreEvents = graphql(`
  query MoreEvents($run: ID!, $after: String) {
    node(id: $run) {
      id
      ... on OperationRun {
        events(first: 50, after: $after) { ...EventPage }
      }
    }
  }
`);

const KINDS: Record<RunEventKind, string> = {
  QUEUED: "Queued",
  STARTED: "Started",
  PROGRESSED: "Progress",
  REQUEUED: "Waits for another worker",
  FINISHED: "Ended",
  OTHER: "Something new",
};

interface RunTimelineProps {
  run: FragmentType<typeof RunTimelineFragment>;
  verb: string | undefined;
}

/** The events of a run, oldest first. */
export function RunTimeline({ run, verb }: RunTimelineProps): ReactNode {
  const { id, events } = getFragmentData(RunTimelineFragment, run);
  const { edges, pageInfo } = getFragmentData(EventPageFragment, events);
  const { fetchMore } = useQuery(MoreEvents, { variables: { run: id }, fetchPolicy: "standby" });
  return (
    <Card component="section" withBorder>
      <Title mb="md" order={2} size="h4">
        Timeline
      </Title>
      <Timeline active={edges.length} bulletSize={14} lineWidth={2}>
        {edges.map(({ node }) => {
          const { kind, version, statusBucket, attempt, occurredAt, counts } = node;
          const { label, color } = BUCKETS[statusBucket];
          return (
            <Timeline.Item
              color={color}
              key={version}
              title={kind === "FINISHED" ? label : KINDS[kind]}
            >
              <Text size="sm">
                {kind !== "QUEUED" &&
                  outcomeText({ counts, finishedAt: kind === "FINISHED" ? occurredAt : null }, verb)}
                {attempt > 1 && `, attempt ${attempt}`}
              </Text>
              <Text c="dimmed" component="time" dateTime={occurredAt} size="xs">
                {moment(occurredAt)}
              </Text>
            </Timeline.Item>
          );
        })}
      </Timeline>
      <LoadMore
        hasMore={pageInfo.hasNextPage}
        load={() => fetchMore({ variables: { run: id, after: pageInfo.endCursor } })}
      />
    </Card>
  );
}
