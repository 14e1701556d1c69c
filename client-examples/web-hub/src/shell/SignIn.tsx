import { Button, Center, Code, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { signIn } from "../session";

export function SignIn(): ReactNode {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (!signIn(token)) {
      setProblem("This is not a valid token, or it has expired.");
    }
  }

  return (
    <Center component="main" mih="100vh" p="md">
      <Paper component="form" maw={420} onSubmit={submit} p="lg" w="100%" withBorder>
        <Stack>
          <Title order={1} size="h2">
            Sign in to Opsrun
          </Title>
          <Text c="dimmed" size="sm">
            Open the address that <Code>make dev</Code> prints, or paste a token, as from{" "}
            <Code>.venv/bin/opsrun token oscar</Code>.
          </Text>
          <PasswordInput
            autoComplete="off"
            error={problem}
            label="Bearer token"
            onChange={({ currentTarget }) => setToken(currentTarget.value)}
            required
            value={token}
          />
          <Button type="submit">Sign in</Button>
        </Stack>
      </Paper>
    </Center>
  );
}
