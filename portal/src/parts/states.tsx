/** What is shown instead of what was looked for: an error, nothing, nothing yet. */
import { Alert, Button, Code, Stack, Text, Title } from '@mantine/core';
import { CircleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { ApiError } from '#portal/api/client.ts';
import { messageOf } from '#portal/api/hooks.ts';

export function ErrorPanel({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  return (
    <Alert color="red" icon={<CircleAlert aria-hidden />} title="This could not be shown" maw={640} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{messageOf(error)}</Text>
        {error instanceof ApiError && error.code !== 'internal' && <Code>{error.code}</Code>}
        <Button size="xs" variant="default" onClick={retry ?? (() => window.location.reload())}>
          Try again
        </Button>
      </Stack>
    </Alert>
  );
}

export function NothingHere() {
  return (
    <Stack>
      <Title order={1}>There is nothing at this address</Title>
      <Text>It may have been removed, or you may not have access to it.</Text>
    </Stack>
  );
}

interface EmptyProps {
  readonly title: string;
  /** What it is for, and how to get the first one. */
  readonly children: ReactNode;
  readonly action?: ReactNode;
}

/** An empty list that says what belongs there. */
export function Empty({ title, children, action }: EmptyProps) {
  return (
    <Stack align="center" gap="xs" py="xl" px="md" ta="center">
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed" maw={520}>
        {children}
      </Text>
      {action}
    </Stack>
  );
}
