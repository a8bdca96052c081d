/** A new set of policies: it begins with being logged only. */
import { Anchor, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { type Draft, PolicyForm } from './policy-form.tsx';
import { TestBench } from './test-bench.tsx';

const begun: Draft = {
  ...{ name: '', mode: 'log', onError: 'deny' },
  policies:
    '// Everybody may use what only reads.\npermit(principal, action == Action::"call_tool", resource)\nwhen { resource has readOnlyHint && resource.readOnlyHint };\n',
};

export function Page() {
  const organization = useOrganization();
  const [, navigate] = useLocation();
  const [draft, setDraft] = useState(begun);
  const create = useChange('createPolicy', {
    refreshes: ['listPolicies', 'showPolicyMatrix'],
    done: ({ name, warnings }) => (warnings.length === 0 ? `${name} holds` : `${name} holds. ${warnings.join(' ')}`),
  });
  return (
    <PageFrame title="New policies" about="What they do not permit is denied where they hold.">
      <Anchor component={Link} href={`/o/${organization}/policies`} size="sm">
        All policies
      </Anchor>
      <PolicyForm
        {...{ organization, draft }}
        onChange={setDraft}
        isNew
        isReadOnly={false}
        isSaving={create.isPending}
        onSave={() =>
          create.mutate(
            { organization, ...draft },
            { onSuccess: ({ name }) => navigate(`/o/${organization}/policies/${encodeURIComponent(name)}`) },
          )
        }
      />
      <Stack gap="xs" component="section" aria-label="Try it">
        <Title order={2} size="h4">
          Try it
        </Title>
        <Text size="sm" c="dimmed">
          As if it were saved and enforced. Nothing is called and nothing changes.
        </Text>
        <TestBench organization={organization} draft={{ ...draft, mode: 'enforce' }} />
      </Stack>
    </PageFrame>
  );
}
