/** Servers of a document: what each needs, what would run, and what was refused; then they are made, all or none. */
import {
  Alert,
  Button,
  Card,
  Checkbox,
  Code,
  Group,
  PasswordInput,
  Select,
  Skeleton,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useState } from 'react';
import { useLocation } from 'wouter';
import type { RouteOutput } from '#portal/api/client.ts';
import { useChange, useRoute } from '#portal/api/hooks.ts';
import { kindName } from '#portal/pages/servers/state.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import type { Detected } from './detect.ts';
import { ForWhom } from './key-fields.tsx';

type Imported = RouteOutput<'importServers'>['servers'][number];
type Need = Imported['needs'][number];

interface Props {
  readonly from: Extract<Detected, { readonly kind: 'import' }>['from'];
  readonly organization: string;
}

export function ImportForm({ from, organization }: Props) {
  const [, navigate] = useLocation();
  const [answers, setAnswers] = useState<Readonly<Record<string, string>>>({});
  const [chosen, setChosen] = useState<readonly string[]>();
  const [agreed, setAgreed] = useState<readonly string[]>([]);
  const [allMembers, setAllMembers] = useState(false);
  const preview = useRoute('importServers', { organization, ...from, dryRun: true });
  const make = useChange('importServers', {
    refreshes: ['listOrganizationServers', 'listServers', 'listRuns'],
    done: ({ servers }) => `${servers.length} added`,
  });
  if (preview.error) return <ErrorPanel error={preview.error} retry={() => void preview.refetch()} />;
  if (!preview.data) return <Skeleton h={160} />;
  const { servers } = preview.data;
  const keys = chosen ?? servers.filter(({ problems }) => problems.length === 0).map(({ key }) => key);
  const wanted = servers.filter(({ key }) => keys.includes(key));
  const missing = wanted
    .flatMap(({ needs }) => needs)
    .filter(({ name, required, given, default: usual }) => required && !given && usual === null && !answers[name]);
  const unread = wanted.filter(({ command }) => command !== null && !agreed.includes(command));
  const filled = Object.fromEntries(Object.entries(answers).filter(([, value]) => value !== ''));
  return (
    <Stack>
      {servers.map((server) => (
        <One
          key={server.key}
          server={server}
          isChosen={keys.includes(server.key)}
          onChoose={(on) => setChosen(on ? [...keys, server.key] : keys.filter((key) => key !== server.key))}
          answers={answers}
          onAnswer={(name, value) => setAnswers({ ...answers, [name]: value })}
          isAgreed={server.command !== null && agreed.includes(server.command)}
          onAgree={(command, on) => setAgreed(on ? [...agreed, command] : agreed.filter((each) => each !== command))}
        />
      ))}
      <ForWhom allMembers={allMembers} onChange={setAllMembers} />
      <Group>
        <Button
          disabled={wanted.length === 0 || missing.length > 0 || unread.length > 0}
          loading={make.isPending}
          onClick={() =>
            make.mutate(
              { organization, ...from, servers: [...keys], answers: filled, consent: [...agreed], allMembers },
              { onSuccess: () => navigate(`/o/${organization}/servers`) },
            )
          }
        >
          Add {wanted.length === 1 ? wanted[0]?.key : `${wanted.length} servers`}
        </Button>
        {missing.length > 0 && <Text size="sm">Still needed: {missing.map(({ name }) => name).join(', ')}</Text>}
        {unread.length > 0 && <Text size="sm">Read and agree to the commands first.</Text>}
      </Group>
    </Stack>
  );
}

interface OneProps {
  readonly server: Imported;
  readonly isChosen: boolean;
  readonly onChoose: (on: boolean) => void;
  readonly answers: Readonly<Record<string, string>>;
  readonly onAnswer: (name: string, value: string) => void;
  readonly isAgreed: boolean;
  readonly onAgree: (command: string, on: boolean) => void;
}

function One({ server, isChosen, onChoose, answers, onAnswer, isAgreed, onAgree }: OneProps) {
  const { key, title, description, kind, url, command, needs, warnings, problems } = server;
  return (
    <Card withBorder>
      <Stack gap="xs">
        <Checkbox
          label={`${title} (${key}${kind === null ? '' : `, ${kindName(kind)}`})`}
          checked={isChosen}
          disabled={problems.length > 0}
          onChange={({ currentTarget }) => onChoose(currentTarget.checked)}
        />
        {description !== null && (
          <Text size="sm" c="dimmed" lineClamp={3}>
            {description}
          </Text>
        )}
        {url !== null && <Code>{url}</Code>}
        {problems.map((problem) => (
          <Alert key={problem} color="red">
            {problem}
          </Alert>
        ))}
        {warnings.map((warning) => (
          <Alert key={warning} color="yellow">
            {warning}
          </Alert>
        ))}
        {isChosen &&
          needs.map((need) => (
            <NeedField
              key={need.name}
              need={need}
              value={answers[need.name] ?? ''}
              onChange={(value) => onAnswer(need.name, value)}
            />
          ))}
        {isChosen && command !== null && (
          <>
            <Code block tabIndex={0}>
              {command}
            </Code>
            <Checkbox
              label="This may run on the gateway’s machine, exactly so"
              checked={isAgreed}
              onChange={({ currentTarget }) => onAgree(command, currentTarget.checked)}
            />
          </>
        )}
      </Stack>
    </Card>
  );
}

interface NeedProps {
  readonly need: Need;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function NeedField({ need, value, onChange }: NeedProps) {
  const { name, description, required, secret, choices, default: usual, given } = need;
  const common = { label: name, description: description ?? undefined, required: required && !given };
  if (choices.length > 0)
    return <Select {...common} data={choices} value={value || usual} onChange={(next) => onChange(next ?? '')} />;
  const placeholder = given ? 'as in the document' : (usual ?? undefined);
  const input = { ...common, placeholder, value };
  return secret ? (
    <PasswordInput {...input} autoComplete="off" onChange={({ currentTarget }) => onChange(currentTarget.value)} />
  ) : (
    <TextInput {...input} onChange={({ currentTarget }) => onChange(currentTarget.value)} />
  );
}
