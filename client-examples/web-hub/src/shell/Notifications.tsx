import { useMutation, useQuery, useSubscription } from "@apollo/client/react";
import { ActionIcon, Anchor, Button, Group, Indicator, Popover, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications as toasts } from "@mantine/notifications";
import { IconBell } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { type FragmentType, getFragmentData, graphql } from "../gql";
import type { NotificationOutcome } from "../gql/graphql";
import { Ago } from "../ui/Ago";
import { BUCKETS } from "../ui/StatusBadge";
import { Loading } from "../ui/states";
import { runTitle } from "../ui/words";
import { newestPerRun, unreadRuns } from "./newestPerRun";
import { runPath } from "./paths";
import type { TenantPlace } from "./tenant";

const ENDED_MS = 12_000;
const QUEUED_MS = 5_000;

const NotificationItem = graphql(`
  fragment NotificationItem on Notification {
    id
    outcome
    createdAt
    readAt
    run { id runType subject }
  }
`);

const NotificationList = graphql(`
  query NotificationList($tenant: ID!) {
    tenant(id: $tenant) {
      id
      unreadNotificationCount
      notifications(first: 20) {
        edges { cursor node { id readAt run { id } ...NotificationItem } }
      }
    }
  }
`);

const NewNotifications = graphql(`
  subscription NewNotifications($tenant: ID!, $after: String) {
    notifications(tenantId: $tenant, after: $after) {
      cursor
      ...NotificationItem
    }
  }
`);

const MarkRead = graphql(`
  mutation MarkRead($input: MarkNotificationsReadInput!) {
    markNotificationsRead(input: $input) {
      notifications { id readAt }
    }
  }
`);

const VERBS: Record<NotificationOutcome, string> = {
  QUEUED: "is queued",
  SUCCEEDED: "succeeded",
  PARTIALLY_SUCCEEDED: "partially succeeded",
  FAILED: "failed",
};

/** The bell, its list of notifications, and a toast for each new one. */
export function Notifications({ place }: { place: TenantPlace }): ReactNode {
  const [opened, { toggle, close }] = useDisclosure();
  const { data, refetch } = useQuery(NotificationList, { variables: { tenant: place.id } });
  const [markRead] = useMutation(MarkRead);
  const edges = data?.tenant.notifications.edges ?? [];
  const loaded = edges.map(({ node }) => node);
  const unread = unreadRuns(data?.tenant.unreadNotificationCount ?? 0, loaded);

  async function markAllRead(): Promise<void> {
    const notificationIds = loaded.filter(({ readAt }) => !readAt).map(({ id }) => id);
    await markRead({ variables: { input: { tenantId: place.id, notificationIds } } });
    await refetch();
  }

  return (
    <>
      {data && (
        <Toasts after={edges[0]?.cursor ?? null} onNew={() => void refetch()} place={place} />
      )}
      <Popover onDismiss={close} opened={opened} position="bottom-end" trapFocus width="min(340px, 92vw)">
        <Indicator disabled={unread === 0} label={unread} size={16}>
          <Popover.Target>
            <ActionIcon
              aria-label={unread ? `Notifications, ${unread} unread` : "Notifications"}
              onClick={toggle}
              size="lg"
              variant="default"
            >
              <IconBell aria-hidden size={18} stroke={1.5} />
            </ActionIcon>
          </Popover.Target>
        </Indicator>
        <Popover.Dropdown aria-label="Notifications">
          <Group justify="space-between" mb="xs">
            <Text fw={600}>Notifications</Text>
            <Button
              disabled={unread === 0}
              onClick={() => void markAllRead()}
              size="compact-xs"
              variant="subtle"
            >
              Mark all as read
            </Button>
          </Group>
          <ScrollArea.Autosize mah={360}>
            {!data ? (
              <Loading rows={2} />
            ) : edges.length === 0 ? (
              <Text c="dimmed" size="sm">
                Nothing yet. You are notified here when your operations end.
              </Text>
            ) : (
              <ul className="plain">
                {newestPerRun(loaded).map((node) => (
                  <Item item={node} key={node.id} onOpen={close} place={place} />
                ))}
              </ul>
            )}
          </ScrollArea.Autosize>
        </Popover.Dropdown>
      </Popover>
    </>
  );
}

interface ItemProps {
  item: FragmentType<typeof NotificationItem>;
  place: TenantPlace;
  onOpen: () => void;
}

function Item({ item, place, onOpen }: ItemProps): ReactNode {
  const { outcome, createdAt, readAt, run } = getFragmentData(NotificationItem, item);
  return (
    <Text className="value" component="li" fw={readAt ? 400 : 600} mb="xs" size="sm">
      {runTitle(run, place.titleOf)} {VERBS[outcome]}{" "}
      <Anchor component={Link} inherit onClick={onOpen} to={runPath(place.slug, run.id)}>
        View run
      </Anchor>
      <Text c="dimmed" component="div" size="xs">
        <Ago at={createdAt} />
      </Text>
    </Text>
  );
}

interface ToastsProps {
  place: TenantPlace;
  /** The subscription starts after this notification, so that no newer one is missed. */
  after: string | null;
  onNew: () => void;
}

function Toasts({ place, after, onNew }: ToastsProps): ReactNode {
  const [since] = useState(after);
  useSubscription(NewNotifications, {
    variables: { tenant: place.id, after: since },
    ignoreResults: true,
    onData: ({ data: { data } }) => {
      if (data) {
        const { outcome, run } = getFragmentData(NotificationItem, data.notifications);
        // One toast per run: its end replaces its start.
        const toast = {
          id: run.id,
          title: `${runTitle(run, place.titleOf)} ${VERBS[outcome]}`,
          message: (
            <Anchor
              component={Link}
              inherit
              onClick={() => toasts.hide(run.id)}
              to={runPath(place.slug, run.id)}
            >
              View run
            </Anchor>
          ),
          color: BUCKETS[outcome].color,
          closeButtonProps: { "aria-label": "Dismiss" },
          autoClose: outcome === "QUEUED" ? QUEUED_MS : ENDED_MS,
        };
        toasts.update(toast);
        toasts.show(toast);
        onNew();
      }
    },
  });
  return null;
}
