import { Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import { NavigationType, useNavigationType } from "react-router";

interface PageProps {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/**
 * A page's frame. Its title is also the title of the browser's tab. After a link it gets the focus, so
 * that a screen reader announces the page.
 */
export function Page({ title, lead, actions, children }: PageProps): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  const cameByLink = useNavigationType() === NavigationType.Push;
  useEffect(() => {
    document.title = `${title} · Opsrun`;
  }, [title]);
  useEffect(() => {
    if (cameByLink) {
      heading.current?.focus();
    }
  }, [cameByLink]);
  return (
    <Stack gap="lg">
      <Group align="flex-end" justify="space-between">
        <div>
          <Title className="title" order={1} ref={heading} size="h2" tabIndex={-1}>
            {title}
          </Title>
          {lead && (
            <Text c="dimmed" component="div" mt={4}>
              {lead}
            </Text>
          )}
        </div>
        {actions}
      </Group>
      {children}
    </Stack>
  );
}
