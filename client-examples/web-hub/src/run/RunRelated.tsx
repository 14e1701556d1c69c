import { Anchor, Card, Text, Title } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { DriftReport } from "../drift/DriftReport";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { RunRelatedFragment } from "../gql/graphql";
import { backupSetPath, groupsPath, inventoryPath } from "../shell/paths";
import { useTenant } from "../shell/tenant";
import { counted, moment } from "../ui/words";

const RunRelatedFragmentDocument = graphql(`
  fragment RunRelated on OperationRun {
    id
    related {
      __typename
      ... on BackupSet { id name policyCount }
      ... on InventorySnapshot { scopeKey policyCount isWhole }
      ... on GroupDirectory { groupCount lastSyncedAt }
      ... on RelatedLink { title url }
      ...DriftReport
    }
  }
`);

type Related = RunRelatedFragment["related"][number];

/** The objects that the run worked on or created. */
export function RunRelated({
  run,
  hasEnded,
}: {
  run: FragmentType<typeof RunRelatedFragmentDocument>;
  hasEnded: boolean;
}): ReactNode {
  const { id, related } = getFragmentData(RunRelatedFragmentDocument, run);
  const links = related.filter((resource) => resource.__typename === "RelatedLink");
  return (
    <>
      {related.map((resource, position) => (
        // Their order never changes, and not all of them have an id.
        <Resource hasEnded={hasEnded} key={position} resource={resource} runId={id} />
      ))}
      {links.length > 0 && <Links links={links} />}
    </>
  );
}

type ForeignPage = Extract<Related, { __typename: "RelatedLink" }>;

/** Pages of other products. */
function Links({ links }: { links: ForeignPage[] }): ReactNode {
  return (
    <Card component="section" withBorder>
      <Title order={2} size="h4">
        Related
      </Title>
      <ul className="plain">
        {links.map(({ title, url }, position) => (
          <li className="value" key={position}>
            <Anchor href={url} inherit rel="noopener noreferrer" target="_blank">
              {title}
              <IconExternalLink aria-hidden size={14} style={{ marginInlineStart: 4 }} />
              <span className="hidden">(opens in a new tab)</span>
            </Anchor>
          </li>
        ))}
      </ul>
    </Card>
  );
}

interface ResourceProps {
  resource: Related;
  runId: string;
  hasEnded: boolean;
}

function Resource({ resource, runId, hasEnded }: ResourceProps): ReactNode {
  const { slug } = useTenant();
  switch (resource.__typename) {
    case "DriftReport":
      return <DriftReport hasEnded={hasEnded} report={resource} runId={runId} />;
    case "BackupSet":
      return (
        <Linked title="Backup set" to={backupSetPath(slug, resource.id)} what={resource.name}>
          holds {counted(resource.policyCount, "policy", "policies")} now
        </Linked>
      );
    case "InventorySnapshot":
      return (
        <Linked title="Snapshot" to={inventoryPath(slug, resource.scopeKey)} what={resource.scopeKey}>
          {counted(resource.policyCount, "policy was", "policies were")} stored.{" "}
          {resource.isWhole
            ? "All policies could be read, so drift runs use it."
            : "Not all policies could be read, so drift runs do not use it."}
        </Linked>
      );
    case "GroupDirectory":
      return (
        <Linked title="Groups" to={groupsPath(slug)} what={counted(resource.groupCount, "group")}>
          as of {moment(resource.lastSyncedAt)}
        </Linked>
      );
    default:
      // Links have a card together. The API may add members to this union; an older hub omits them.
      return null;
  }
}

interface LinkedProps {
  title: string;
  what: string;
  to: string;
  children: ReactNode;
}

function Linked({ title, what, to, children }: LinkedProps): ReactNode {
  return (
    <Card component="section" withBorder>
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text className="value">
        <Anchor component={Link} inherit to={to}>
          {what}
        </Anchor>
        {": "}
        {children}
      </Text>
    </Card>
  );
}
