/** What the audit log keeps of the arguments of calls. */
import { Anchor, Button, Radio, Skeleton, Stack } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { useChange, useRoute } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

const choices = [
  { value: 'none', label: 'Nothing', description: 'Who called what and when, and never with what.' },
  {
    value: 'digest',
    label: 'A digest',
    description: 'Enough to prove that a call had certain arguments, and to read none.',
  },
  {
    value: 'redacted',
    label: 'All of them, redacted and sealed',
    description: 'Secrets are taken out; only auditors can read what is left, and reading is itself on record.',
  },
] as const;
type Content = (typeof choices)[number]['value'];

export function AuditContent() {
  const session = useSession();
  const organization = useOrganization();
  const { data, error, refetch } = useRoute('getAuditSettings', { organization });
  const [chosen, setChosen] = useState<Content>();
  const save = useChange('setAuditContent', {
    refreshes: ['getAuditSettings'],
    done: 'It holds for calls from now on',
  });
  const canWrite = isAllowed(session, 'admin:audit:write', organization);
  if (error) return <ErrorPanel error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton h={120} />;
  const value = chosen ?? data.content;
  return (
    <Stack align="flex-start">
      <Radio.Group
        label="What is kept of the arguments of calls"
        value={value}
        onChange={(next) => setChosen(choices.find((choice) => choice.value === next)?.value)}
      >
        <Stack gap="sm" mt="xs">
          {choices.map((choice) => (
            <Radio key={choice.value} {...choice} disabled={!canWrite} />
          ))}
        </Stack>
      </Radio.Group>
      {value !== data.content && (
        <Button loading={save.isPending} onClick={() => save.mutate({ organization, content: value })}>
          Save
        </Button>
      )}
      <Anchor component={Link} size="sm" href={`/o/${organization}/audit`}>
        The audit log
      </Anchor>
    </Stack>
  );
}
