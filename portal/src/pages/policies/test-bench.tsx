/** What would be decided about a call, and by which policies: of what is saved, or with a draft in its place. */
import '@mantine/core/styles/FloatingIndicator.css';
import { Button, Grid, JsonInput, SegmentedControl, Select, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { call, type RouteInput } from '#portal/api/client.ts';
import { sayRefused, useList } from '#portal/api/hooks.ts';
import { PickServer } from '#portal/parts/pick.tsx';
import { parseObject } from '#portal/parts/schema.ts';
import { useUrlState } from '#portal/parts/url-state.ts';
import { PickMember } from './pick-member.tsx';
import { PickTool } from './pick-tool.tsx';
import { type Draft, named } from './policy-form.tsx';
import { type Outcome, TestOutcome } from './test-outcome.tsx';

type Case = RouteInput<'testPolicies'>['cases'][number];

const actions = [
  { value: 'call_tool', label: 'call the tool' },
  { value: 'get_prompt', label: 'get the prompt' },
  { value: 'read_resource', label: 'read the resource' },
];

interface BenchProps {
  readonly organization: string;
  /** undefined: what is saved. */
  readonly draft?: Draft | undefined;
}

interface Asked {
  readonly user: string | null;
  readonly claims: string;
  readonly action: string;
  readonly server: string | null;
  readonly collection: string | null;
  readonly resource: string;
  readonly args: string;
}

/** Whether somebody is chosen, or claims are written. */
type Who = 'member' | 'claims';

export function TestBench({ organization, draft }: BenchProps) {
  const [fromServer] = useUrlState('server');
  const [fromTool] = useUrlState('tool');
  const [fromUser] = useUrlState('user');
  const [who, setWho] = useState<Who>('member');
  const [asked, setAsked] = useState<Asked>({
    ...{ user: fromUser || null, claims: '{ "sub": "ada", "roles": [], "groups": [] }', action: 'call_tool' },
    ...{ server: fromServer || draft?.server || null, collection: draft?.collection ?? null },
    ...{ resource: fromTool, args: '' },
  });
  const [outcome, setOutcome] = useState<Outcome>();
  const [isAsking, setAsking] = useState(false);
  const set = (change: Partial<Asked>) => {
    setAsked((before) => ({ ...before, ...change }));
    setOutcome(undefined);
  };
  const isReady = asked.server !== null && asked.resource !== '' && (who === 'claims' || asked.user !== null);
  const ask = () => {
    setAsking(true);
    askGateway({ organization, draft, who, asked })
      .then(setOutcome, sayRefused)
      .finally(() => setAsking(false));
  };
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, md: 6 }}>
        <Stack gap="sm">
          <WhoFields {...{ organization, who, setWho, asked, set }} />
          <WhatFields {...{ organization, asked, set }} />
          <Button onClick={ask} loading={isAsking} disabled={!isReady} w="fit-content">
            What is decided?
          </Button>
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 6 }}>
        {outcome ? (
          <TestOutcome outcome={outcome} organization={organization} />
        ) : (
          <Text size="sm" c="dimmed">
            Say who calls what: the answer names the sets of policies that were asked, their versions, and the policies
            in them that decided.
          </Text>
        )}
      </Grid.Col>
    </Grid>
  );
}

interface FieldsProps {
  readonly organization: string;
  readonly asked: Asked;
  readonly set: (change: Partial<Asked>) => void;
}

interface WhoProps extends FieldsProps {
  readonly who: Who;
  readonly setWho: (who: Who) => void;
}

function WhoFields({ organization, who, setWho, asked, set }: WhoProps) {
  const wrong = who === 'claims' && parseObject(asked.claims) === undefined;
  return (
    <>
      <SegmentedControl
        aria-label="Who calls"
        w="fit-content"
        size="xs"
        value={who}
        onChange={(value) => setWho(value === 'claims' ? 'claims' : 'member')}
        data={[
          { value: 'member', label: 'A member' },
          { value: 'claims', label: 'Anybody, by claims' },
        ]}
      />
      {who === 'member' ? (
        <PickMember
          organization={organization}
          label="Who calls"
          value={asked.user}
          onChange={(user) => set({ user })}
        />
      ) : (
        <JsonInput
          label="Claims of the caller"
          description="sub says who it is; roles and groups are lists."
          autosize
          minRows={3}
          maxRows={10}
          value={asked.claims}
          onChange={(claims) => set({ claims })}
          error={wrong ? 'This is no JSON object yet' : undefined}
        />
      )}
    </>
  );
}

function WhatFields({ organization, asked, set }: FieldsProps) {
  const { action, server, collection, resource, args } = asked;
  const collections = useList('listCollections', { organization, limit: 1000 });
  return (
    <>
      <Select
        label="Wants to"
        data={actions}
        value={action}
        onChange={(value) => set({ action: value ?? 'call_tool' })}
        allowDeselect={false}
      />
      <PickServer label="Server" required value={server} onChange={(key) => set({ server: key })} />
      <PickTool
        {...{ organization, server }}
        label={action === 'read_resource' ? 'Its URI' : action === 'get_prompt' ? 'Prompt' : 'Tool'}
        value={resource}
        onChange={(name) => set({ resource: name })}
      />
      {collections.items.length > 0 && (
        <Select
          label="Reached through"
          data={[
            { value: '', label: "the server's own address" },
            ...collections.items.map(({ name }) => ({ value: name, label: `collection ${name}` })),
          ]}
          value={collection ?? ''}
          onChange={(name) => set({ collection: name || null })}
          searchable={collections.items.length > 8}
          allowDeselect={false}
        />
      )}
      <JsonInput
        label="Arguments"
        description="Optional, as JSON. Policies may read them."
        placeholder='{ "amount": 100 }'
        autosize
        minRows={2}
        maxRows={10}
        value={args}
        onChange={(text) => set({ args: text })}
        error={parseObject(args) === undefined ? 'This is no JSON object yet' : undefined}
      />
    </>
  );
}

interface Asking extends BenchProps {
  readonly who: Who;
  readonly asked: Asked;
}

async function askGateway({ organization, draft, who, asked }: Asking): Promise<Outcome> {
  const { user, server, collection, resource } = asked;
  if (server === null) throw new Error('Say at which server');
  const isMember = who === 'member' && user !== null;
  const access = isMember
    ? await call('showAccess', { organization, user, endpoint: collection ?? server })
    : undefined;
  const claims = access
    ? { sub: access.user, org: organization, roles: access.roles, groups: access.groups }
    : (parseObject(asked.claims) ?? {});
  const args = asked.args.trim() === '' ? undefined : parseObject(asked.args);
  const one = {
    ...{ claims, action: asked.action, server, resource },
    ...(collection !== null && { collection }),
    ...(args && { args }),
    ...(isMember && { user }),
  } as Case;
  const { results, warnings } = await call('testPolicies', {
    organization,
    ...(draft && { draft: named(draft) }),
    cases: [one],
  });
  const endpoint = access?.items[0];
  const tool = endpoint?.tools.find(
    ({ name, server: of }) => of === server && (name === resource || name.endsWith(`_${resource}`)),
  );
  const [result] = results;
  if (!result) throw new Error('The gateway gave no result');
  return {
    ...{
      asked: result.asked,
      decision: result.decision,
      final: result.outcome,
      warnings,
      endpoint: collection ?? server,
    },
    access: access && { isAdmitted: endpoint?.admitted ?? false, by: endpoint?.by ?? [], answer: tool?.answer },
  };
}
