import { useQuery } from "@apollo/client/react";
import { Anchor, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { graphql } from "../gql";
import { runPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { moment } from "../ui/words";

const ComparedSyncsQuery = graphql(`
  query ComparedSyncs($runs: [ID!]!) {
    nodes(ids: $runs) {
      __typename
      id
      ... on OperationRun { createdAt }
    }
  }
`);

interface ComparedSyncsProps {
  baselineRunId: string;
  currentRunId: string;
}

/** The two syncs that a report compares, by the time of each; retention may have deleted them. */
export function ComparedSyncs({ baselineRunId, currentRunId }: ComparedSyncsProps): ReactNode {
  const { slug } = useTenant();
  const { data } = useQuery(ComparedSyncsQuery, {
    variables: { runs: [baselineRunId, currentRunId] },
  });

  function sync(id: string, name: string): ReactNode {
    const node = data?.nodes.find((one) => one?.id === id);
    if (node?.__typename === "OperationRun") {
      return (
        <Anchor component={Link} inherit to={runPath(slug, id)}>
          {name} of {moment(node.createdAt)}
        </Anchor>
      );
    }
    return data ? `${name}, which was deleted` : name;
  }

  return (
    <Text c="dimmed" mb="sm" size="sm">
      Compares the {sync(currentRunId, "sync")} with the {sync(baselineRunId, "sync")}.
    </Text>
  );
}
