/** One set of policies: its text, where it holds, and trying it before it counts. */
import { Alert, Anchor, Button, Group, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import { ApiError, type RouteOutput } from '#portal/api/client.ts';
import { useChange } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useTagged } from '#portal/api/tagged.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { ago } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { PageLoading } from '#portal/shell/page-loading.tsx';
import { partsOf } from './cedar-text.ts';
import { type Draft, PolicyForm } from './policy-form.tsx';
import { TestBench } from './test-bench.tsx';

type Policy = RouteOutput<'getPolicy'>;

export function Page() {
  const organization = useOrganization();
  const { name = '' } = useParams<{ readonly name: string }>();
  const { data, error, refetch } = useTagged('getPolicy', { organization, name: decodeURIComponent(name) });
  if (error)
    return (
      <PageFrame title="Policies">
        <ErrorPanel error={error} retry={() => void refetch()} />
      </PageFrame>
    );
  return data ? (
    <Editor
      key={`${data.item.id} ${data.item.version}`}
      policy={data.item}
      etag={data.etag}
      onStale={() => void refetch()}
    />
  ) : (
    <PageLoading />
  );
}

function draftOf({ name, server, collection, onError, mode, config }: Policy): Draft {
  const { text, hasMore } = partsOf(config);
  return {
    ...{ name, onError, mode },
    ...(server !== null && { server }),
    ...(collection !== null && { collection }),
    ...(hasMore ? { config } : { policies: text }),
  };
}

interface EditorProps {
  readonly policy: Policy;
  readonly etag: string | undefined;
  /** Somebody else changed it. */
  readonly onStale: () => void;
}

function Editor({ policy, etag, onStale }: EditorProps) {
  const organization = useOrganization();
  const session = useSession();
  const [draft, setDraft] = useState(() => draftOf(policy));
  const save = useChange('updatePolicy', {
    refreshes: ['listPolicies', 'getPolicy', 'showPolicyMatrix'],
    done: ({ version }) => `Saved as version ${version}`,
  });
  const isReadOnly = policy.managedBy === 'file' || !isAllowed(session, 'admin:policies:write', organization);
  return (
    <PageFrame
      title={policy.name}
      about={`Version ${policy.version}, changed ${ago(policy.updatedAt)}.`}
      actions={
        <Group gap="xs">
          <Button component={Link} variant="default" href={`/o/${organization}/audit?kind=admin`}>
            Audit
          </Button>
          {!isReadOnly && <Remove policy={policy} />}
        </Group>
      }
    >
      <Anchor component={Link} href={`/o/${organization}/policies`} size="sm">
        All policies
      </Anchor>
      {policy.managedBy === 'file' && (
        <Alert color="blue">These come from gatehouse.yaml: change them there. You can try another text below.</Alert>
      )}
      <PolicyForm
        {...{ organization, draft, isReadOnly }}
        onChange={setDraft}
        isNew={false}
        isSaving={save.isPending}
        onSave={() =>
          save.mutate(
            { organization, ...draft, ...(etag !== undefined && { etag }) },
            { onError: (error) => error instanceof ApiError && error.status === 412 && onStale() },
          )
        }
      />
      <Stack gap="xs" component="section" aria-label="Try it">
        <Title order={2} size="h4">
          Try it
        </Title>
        <Text size="sm" c="dimmed">
          With the text above in the place of what is saved. Nothing is called and nothing changes.
        </Text>
        <TestBench organization={organization} draft={draft} />
      </Stack>
    </PageFrame>
  );
}

function Remove({ policy: { name } }: { readonly policy: Policy }) {
  const organization = useOrganization();
  const [, navigate] = useLocation();
  const remove = useChange('removePolicy', {
    refreshes: ['listPolicies', 'showPolicyMatrix'],
    done: `${name} is removed`,
  });
  const ask = () =>
    confirm({
      ...{ title: `Remove ${name}?`, name, verb: 'Remove' },
      text: 'What it refused is refused no longer, within a second.',
      onConfirm: () =>
        remove.mutate({ organization, name }, { onSuccess: () => navigate(`/o/${organization}/policies`) }),
    });
  return (
    <Button variant="default" c="red" onClick={ask} loading={remove.isPending}>
      Remove
    </Button>
  );
}
