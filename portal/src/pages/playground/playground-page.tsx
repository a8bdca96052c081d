/** Calling what I may use, as myself, and seeing all of it. The same page for administrators and for everybody. */
import { Alert, Grid, Select, Stack, Text } from '@mantine/core';
import { useList } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { Exchange } from './exchange.tsx';
import { OtherMethod } from './other-method.tsx';
import { QuestionForm } from './question.tsx';
import { type CallRequest, useRun } from './run-call.ts';
import { ToolForm } from './tool-form.tsx';

const methods = [
  ...['tools/call', 'tools/list', 'prompts/list', 'prompts/get', 'resources/list', 'resources/read'],
  ...['resources/templates/list', 'completion/complete', 'server/discover', 'ping'],
];

export function Page() {
  const organization = useOrganization();
  const { user, organizations } = useSession();
  const isMember = user !== null && organizations.find(({ slug }) => slug === organization)?.isMember !== false;
  return (
    <PageFrame
      title="Playground"
      about="Call a tool as yourself: the same checks, limits and records as for a client of yours."
    >
      {isMember ? (
        <Playground organization={organization} />
      ) : (
        <Alert color="yellow" title="You are nobody here" maw={640}>
          {user === null
            ? 'You came in by a link, which is not a person: calls are made by members. Sign in with an account that is a member of this organization.'
            : 'You administer this organization and are no member of it. Make yourself a member to call its tools.'}
        </Alert>
      )}
    </PageFrame>
  );
}

function Playground({ organization }: { readonly organization: string }) {
  const { endpoint, era, method: shown } = useChoices();
  const run = useRun();
  const last = run.events.findLast(({ type }) => type === 'question' || type === 'answer');
  const common = { organization, endpoint, era };
  const start = (asked: Pick<CallRequest, 'method' | 'params'>) => run.start({ ...common, ...asked });
  const form = { organization, endpoint, isRunning: run.isRunning, onCancel: run.cancel };
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, md: 5 }}>
        <Stack gap="sm">
          <Choices organization={organization} />
          {shown === 'tools/call' ? (
            <ToolForm {...form} onRun={(params) => start({ method: 'tools/call', params })} />
          ) : (
            <OtherMethod
              {...form}
              key={shown}
              method={shown}
              onRun={(params) => start({ method: shown as CallRequest['method'], params })}
            />
          )}
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 7 }}>
        <Stack gap="sm">
          {run.error !== undefined && (
            <ErrorPanel error={run.error} retry={() => run.request && run.start(run.request)} />
          )}
          {run.events.length === 0 && run.error === undefined && (
            <Text c="dimmed" size="sm">
              Here you will see what goes over the wire both ways: the message, its headers, progress, questions, the
              answer, and who decided what.
            </Text>
          )}
          <Exchange events={run.events} />
          {last?.type === 'question' && !run.isRunning && run.request && (
            <QuestionForm
              key={run.events.length}
              question={last}
              onAnswer={(inputResponses) => {
                const { inputResponses: _, requestState: __, ...before } = run.request ?? { ...common, method: 'ping' };
                const state = last.requestState === null ? {} : { requestState: last.requestState };
                run.start({ ...before, inputResponses, ...state }, true);
              }}
            />
          )}
        </Stack>
      </Grid.Col>
    </Grid>
  );
}

/** They are in the address, so that a call can be shown to somebody. */
function useChoices() {
  const [endpoint, setEndpoint] = useUrlState('endpoint');
  const [asked, setMethod] = useUrlState('method');
  const [givenEra, setEra] = useUrlState('era');
  const era = givenEra === 'legacy' ? ('legacy' as const) : ('modern' as const);
  const method = methods.find((each) => each === asked) ?? 'tools/call';
  return { endpoint, era, method, setEndpoint, setMethod, setEra };
}

function Choices({ organization }: { readonly organization: string }) {
  const { endpoint, era, method: shown, setEndpoint, setMethod, setEra } = useChoices();
  const endpoints = useList('listMyEndpoints', { organization, limit: 1000 });
  return (
    <>
      {endpoints.error && <ErrorPanel error={endpoints.error} retry={endpoints.reload} />}
      <Select
        label="Address"
        data={endpoints.items.map(({ name, title, kind }) => ({
          value: name,
          label: kind === 'everything' ? 'Everything that I may use' : `${title} (${kind})`,
        }))}
        value={endpoint}
        onChange={(value) => setEndpoint(value ?? '')}
        searchable={endpoints.items.length > 8}
        allowDeselect={false}
      />
      <Select
        label="Method"
        data={methods.map((value) => ({
          value,
          label: value === 'tools/call' ? 'tools/call: call a tool' : value,
        }))}
        value={shown}
        onChange={(value) => setMethod(value === 'tools/call' ? '' : (value ?? ''))}
        allowDeselect={false}
      />
      <Select
        label="Protocol"
        description="Which era of clients you are."
        data={[
          { value: 'modern', label: '2026-07-28: one request' },
          { value: 'legacy', label: '2025-11-25: with a session' },
        ]}
        value={era}
        onChange={(value) => setEra(value === 'legacy' ? value : '')}
        allowDeselect={false}
      />
    </>
  );
}
