/** Invitations by e-mail address, one or a pasted list: whoever signs in with it is a member from then on. */
import { Alert, Text, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '#portal/api/client.ts';
import { messageOf, say } from '#portal/api/hooks.ts';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { PickGroup } from '#portal/parts/pick.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

const addressesIn = (text: string): readonly string[] => [
  ...new Set(
    text
      .split(/[\s,;<>]+/)
      .filter((word) => word.includes('@'))
      .map((word) => word.toLowerCase()),
  ),
];

interface Refused {
  readonly email: string;
  readonly why: string;
}

export function Invite({ opened, onClose }: { readonly opened: boolean; readonly onClose: () => void }) {
  const organization = useOrganization();
  const client = useQueryClient();
  const [refused, setRefused] = useState<readonly Refused[]>([]);
  const [isBusy, setBusy] = useState(false);
  const form = useForm({
    initialValues: { emails: '', roles: [] as string[], group: null as string | null },
    validate: { emails: (value) => (addressesIn(value).length === 0 ? 'Needs an e-mail address' : null) },
  });
  const addresses = addressesIn(form.values.emails);
  const submit = form.onSubmit(async ({ roles, group }) => {
    setBusy(true);
    const failed: Refused[] = [];
    for (const email of addresses) {
      try {
        await call('addMember', { organization, email, roles });
        if (group !== null) await call('addGroupMember', { organization, group, email });
      } catch (error) {
        failed.push({ email, why: messageOf(error) });
      }
    }
    setBusy(false);
    setRefused(failed);
    for (const name of ['listMembers', 'listGroups', 'listGroupMembers'])
      await client.invalidateQueries({ queryKey: [name] });
    const done = addresses.length - failed.length;
    if (done > 0) say(done === 1 ? 'One person was invited' : `${done} people were invited`);
    if (failed.length > 0) return form.setFieldValue('emails', failed.map(({ email }) => email).join('\n'));
    form.reset();
    onClose();
  });
  return (
    <FormDrawer
      title="Invite people"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb={addresses.length > 1 ? `Invite ${addresses.length} people` : 'Invite'}
      isBusy={isBusy}
    >
      <Textarea
        label="E-mail addresses"
        description="One or many, separated by lines, commas or spaces. No e-mail is sent: tell them the gateway's address."
        required
        autosize
        minRows={2}
        maxRows={10}
        data-autofocus
        {...form.getInputProps('emails')}
      />
      <PickGroup
        label="Group"
        description="What they may use comes from it; others can follow."
        placeholder="None"
        clearable
        value={form.values.group}
        onChange={(group) => form.setFieldValue('group', group)}
      />
      <RoleInput value={form.values.roles} onChange={(roles) => form.setFieldValue('roles', roles)} />
      {refused.length > 0 && (
        <Alert color="red" title="These were refused" role="alert">
          {refused.map(({ email, why }) => (
            <Text key={email} size="sm">
              {email}: {why}
            </Text>
          ))}
        </Alert>
      )}
    </FormDrawer>
  );
}
