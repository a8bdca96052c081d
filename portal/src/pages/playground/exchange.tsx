/** What went over the wire, both ways and in order, and what was decided. */
import { Alert, Badge, Code, Group, Paper, Progress, Stack, Text } from '@mantine/core';
import { ArrowDownLeft, ArrowUpRight } from 'lucide-react';
import type { ReactNode } from 'react';
import { CopyIcon } from '#portal/parts/copy.tsx';
import { curlOf } from './as-command.ts';
import { Result } from './result.tsx';
import type { CallEvent } from './run-call.ts';

type Of<Type extends CallEvent['type']> = Extract<CallEvent, { readonly type: Type }>;

export function Exchange({ events }: { readonly events: readonly CallEvent[] }) {
  return (
    <Stack gap="sm" aria-label="Exchange" role="log">
      {events.map((event, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: events are only added at the end
        <OneEvent key={i} event={event} />
      ))}
    </Stack>
  );
}

function OneEvent({ event }: { readonly event: CallEvent }) {
  switch (event.type) {
    case 'request':
      return <Sent event={event} />;
    case 'head':
      return (
        <Came title={`HTTP ${event.status}`} ms={event.ms}>
          <Headers headers={event.headers} />
        </Came>
      );
    case 'notification':
      return <Notification event={event} />;
    case 'question':
      return (
        <Came title="A question" ms={event.ms}>
          <Message title="Message" message={event.message} />
        </Came>
      );
    case 'answer':
      return (
        <Came title="Answer" ms={event.ms}>
          <Result message={event.message} />
          <Message title="Message" message={event.message} />
        </Came>
      );
    case 'end':
      return <End event={event} />;
  }
}

function Sent({ event }: { readonly event: Of<'request'> }) {
  const { url, headers, message, step } = event;
  return (
    <Paper withBorder p="sm">
      <Group gap="xs" justify="space-between" wrap="nowrap">
        <Group gap={6}>
          <ArrowUpRight size={16} aria-hidden />
          <Text size="sm" fw={600}>
            {step === null ? 'Sent' : `Sent first: ${step}`}
          </Text>
          <Code className="as-written">POST {url}</Code>
        </Group>
        <CopyIcon text={curlOf(event)} label="as curl" />
      </Group>
      <Headers headers={headers} />
      <Message title="Message" message={message} isOpen={step === null} />
    </Paper>
  );
}

interface CameProps {
  readonly title: ReactNode;
  readonly ms: number;
  readonly children?: ReactNode;
}

const Came = ({ title, ms, children }: CameProps) => (
  <Paper withBorder p="sm">
    <Group gap={6}>
      <ArrowDownLeft size={16} aria-hidden />
      <Text size="sm" fw={600}>
        {title}
      </Text>
      <Text size="xs" c="dimmed">
        after {Math.round(ms)} ms
      </Text>
    </Group>
    {children}
  </Paper>
);

const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

function Notification({ event }: { readonly event: Of<'notification'> }) {
  const { method, params } = event.message;
  const given = typeof params === 'object' && params !== null ? (params as Readonly<Record<string, unknown>>) : {};
  const [progress, total] = [number(given.progress), number(given.total)];
  const isProgress = method === 'notifications/progress' && progress !== undefined;
  return (
    <Came
      title={isProgress ? `Progress ${progress}${total === undefined ? '' : ` of ${total}`}` : String(method)}
      ms={event.ms}
    >
      {isProgress && total !== undefined && (
        <Progress value={total === 0 ? 0 : (100 * progress) / total} aria-label="Progress" my={4} />
      )}
      {typeof given.message === 'string' && <Text size="sm">{given.message}</Text>}
      <Message title="Message" message={event.message} />
    </Came>
  );
}

const rooms: Readonly<Record<NonNullable<Of<'end'>['decision']['by']>, string>> = {
  token: 'Your sign-in does not reach it.',
  membership: 'You are no member of this organization.',
  existence: 'There is no such server or tool.',
  grant: 'Nothing gives you this: ask for access.',
  enablement: 'The server is not enabled for this organization.',
  policy: 'A policy forbids it, or none permits it.',
  limit: 'A limit is used up: try again later.',
  filter: 'An enforced argument does not allow it.',
};

function End({ event }: { readonly event: Of<'end'> }) {
  const { status, durationMs, upstreamMs, decision } = event;
  const { outcome, by, code, server, name, policies } = decision;
  const isAllowed = outcome === 'allowed';
  return (
    <Alert color={isAllowed ? 'green' : 'red'} title={isAllowed ? 'Allowed' : 'Refused'} role="status">
      <Stack gap={4}>
        {by !== null && <Text size="sm">{rooms[by]}</Text>}
        <Text size="sm">
          HTTP {status}, {Math.round(durationMs)} ms in all
          {upstreamMs !== null && `, ${Math.round(upstreamMs)} ms of it at the server`}.
        </Text>
        {(server ?? name) !== null && (
          <Text size="sm">
            It was {name ?? 'a request'}
            {server !== null && ` of ${server}`}.
          </Text>
        )}
        <Group gap={6}>
          {code !== null && <Badge variant="outline">{code}</Badge>}
          {policies?.map((policy) => (
            <Badge key={policy} variant="outline">
              policy {policy}
            </Badge>
          ))}
        </Group>
      </Stack>
    </Alert>
  );
}

const Headers = ({ headers }: { readonly headers: Readonly<Record<string, string>> }) => (
  <details className="more">
    <summary>Headers</summary>
    <Code block tabIndex={0} aria-label="Headers" className="copied">
      {Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n')}
    </Code>
  </details>
);

interface MessageProps {
  readonly title: string;
  readonly message: unknown;
  readonly isOpen?: boolean;
}

const Message = ({ title, message, isOpen = false }: MessageProps) => (
  <details className="more" open={isOpen}>
    <summary>{title}</summary>
    <Code block tabIndex={0} aria-label={title} className="copied">
      {JSON.stringify(message, null, 2)}
    </Code>
  </details>
);
