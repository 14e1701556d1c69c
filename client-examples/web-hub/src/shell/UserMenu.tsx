import { Button, Menu } from "@mantine/core";
import { IconCheck, IconLogout, IconUser } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { TenantRole } from "../gql/graphql";
import { currentUser, signOut, switchTo, users } from "../session";
import { words } from "../ui/words";

/** The signed-in user, and the other users whose tokens this browser holds. */
export function UserMenu({ role }: { role: TenantRole | undefined }): ReactNode {
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <Button
          leftSection={<IconUser aria-hidden size={16} stroke={1.5} />}
          px="xs"
          size="xs"
          variant="default"
        >
          <span className="wide">
            {currentUser?.name}
            {role && ` · ${words(role)}`}
          </span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Go on as</Menu.Label>
        {users.map((user) => (
          <Menu.Item
            aria-current={user === currentUser}
            key={user.subject}
            onClick={() => switchTo(user)}
            rightSection={user === currentUser && <IconCheck aria-hidden size={16} />}
          >
            {user.name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout aria-hidden size={16} />} onClick={signOut}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
