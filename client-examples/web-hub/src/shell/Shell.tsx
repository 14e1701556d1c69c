import { useQuery } from "@apollo/client/react";
import { Anchor, AppShell, Burger, Container, Group, NavLink, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconActivityHeartbeat,
  IconArchive,
  IconArrowsDiff,
  IconPlayerPlay,
  IconServer,
  IconUsersGroup,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link, Outlet, useLocation, useParams } from "react-router";
import type { ProviderKind } from "../gql/graphql";
import { HEADER_HEIGHT } from "../ui/DataTable";
import { Failure, Loading, NotFound } from "../ui/states";
import { ColorScheme } from "./ColorScheme";
import { ConnectionBanner, ConnectionStatus } from "./ConnectionStatus";
import { Notifications } from "./Notifications";
import { useTitleOf } from "./runTypes";
import { TenantSwitch } from "./TenantSwitch";
import type { TenantPlace } from "./tenant";
import { UserMenu } from "./UserMenu";
import { ViewerQuery } from "./viewer";

interface PageLink {
  path: string;
  label: string;
  Icon: typeof IconServer;
  /** The only provider of which the tenant has something to show here. */
  provider?: ProviderKind;
}

const SECTIONS: { title: string; pages: PageLink[] }[] = [
  {
    title: "Monitoring",
    pages: [{ path: "operations", label: "Operations", Icon: IconActivityHeartbeat }],
  },
  {
    title: "Features",
    pages: [
      { path: "inventory", label: "Inventory", Icon: IconServer },
      { path: "drift", label: "Drift", Icon: IconArrowsDiff },
      { path: "groups", label: "Groups", Icon: IconUsersGroup, provider: "GRAPH" },
      { path: "backup-sets", label: "Backup sets", Icon: IconArchive },
      { path: "start", label: "Start an operation", Icon: IconPlayerPlay },
    ],
  },
];

/** The frame of every page: the tenant, the user, and the state of the connection. */
export function Shell(): ReactNode {
  const { slug } = useParams();
  const [opened, { toggle, close }] = useDisclosure();
  const { data, error, refetch } = useQuery(ViewerQuery);
  const membership = data?.viewer.memberships.find(({ tenant }) => tenant.slug === slug);
  const titleOf = useTitleOf(membership?.tenant.id);
  const place = membership && { ...membership.tenant, role: membership.role, titleOf };
  return (
    <AppShell
      header={{ height: HEADER_HEIGHT }}
      navbar={{ width: 220, breakpoint: "md", collapsed: { mobile: !opened } }}
      padding="md"
    >
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <AppShell.Header>
        <Group gap="xs" h="100%" justify="space-between" px="md" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger
              aria-label="Menu"
              aria-expanded={opened}
              hiddenFrom="md"
              onClick={toggle}
              opened={opened}
              size="sm"
            />
            <Anchor c="inherit" component={Link} fw={700} to="/" underline="never" visibleFrom="xs">
              Opsrun
            </Anchor>
            {data && <TenantSwitch current={place} memberships={data.viewer.memberships} />}
          </Group>
          <Group gap="xs" wrap="nowrap">
            <ConnectionStatus />
            {place && <Notifications key={place.id} place={place} />}
            <ColorScheme />
            <UserMenu role={place?.role} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar aria-label="Pages" component="nav" p="xs">
        <ScrollArea>{place && <Pages place={place} onNavigate={close} />}</ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Container p={0} size="xl">
          <ConnectionBanner />
          {error ? (
            <Failure error={error} retry={() => void refetch()} />
          ) : !data ? (
            <Loading />
          ) : place ? (
            <Outlet context={place satisfies TenantPlace} key={place.id} />
          ) : (
            <NotFound
              back={
                <Anchor component={Link} to="/">
                  Go to your first tenant
                </Anchor>
              }
              title="Tenant not found"
            >
              There is no tenant “{slug}”, or you are not a member of it. Ask one of its owners for an
              invitation.
            </NotFound>
          )}
        </Container>
      </AppShell.Main>
    </AppShell>
  );
}

function Pages({ place, onNavigate }: { place: TenantPlace; onNavigate: () => void }): ReactNode {
  const { pathname } = useLocation();
  return SECTIONS.map(({ title, pages }) => (
    <div key={title}>
      <Text c="dimmed" fw={600} mt="sm" px="sm" size="xs" tt="uppercase">
        {title}
      </Text>
      {pages.filter(({ provider = place.provider }) => provider === place.provider).map(({ path, label, Icon }) => {
        const to = `/t/${place.slug}/${path}`;
        const active = pathname.startsWith(to);
        return (
          <NavLink
            active={active}
            aria-current={active ? "page" : undefined}
            component={Link}
            key={path}
            label={label}
            leftSection={<Icon aria-hidden size={18} stroke={1.5} />}
            onClick={onNavigate}
            to={to}
          />
        );
      })}
    </div>
  ));
}
