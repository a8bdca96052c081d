/** The form of a limit. One about the same takes its place. */
import { Group, NumberInput, Select, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useChange } from '#portal/api/hooks.ts';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { PickGroup, PickServer } from '#portal/parts/pick.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

const counts = [
  { value: 'principal', label: 'Each caller by themselves' },
  { value: 'group', label: 'Each group together' },
  { value: 'organization', label: 'All together' },
] as const;
const spans = [
  { value: '1', label: 'a second' },
  { value: '60', label: 'a minute' },
  { value: '3600', label: 'an hour' },
  { value: '86400', label: 'a day' },
  { value: '2592000', label: '30 days' },
];

interface Values {
  readonly counts: string;
  readonly group: string | null;
  readonly user: string;
  readonly server: string | null;
  readonly tool: string;
  readonly points: number | string;
  readonly windowSeconds: string;
  readonly concurrent: number | string;
}

const empty: Values = {
  ...{ counts: 'principal', group: null, user: '', server: null, tool: '' },
  ...{ points: 600, windowSeconds: '60', concurrent: '' },
};

export function NewLimit({ opened, onClose }: { readonly opened: boolean; readonly onClose: () => void }) {
  const organization = useOrganization();
  const save = useChange('setLimit', { refreshes: ['listLimits'], done: 'The limit holds from now on' });
  const form = useForm<Values>({
    initialValues: empty,
    validate: {
      points: (value, { concurrent }) => (value === '' && concurrent === '' ? 'Needs calls, or calls at once' : null),
      user: (value, { group }) => (value !== '' && group !== null ? 'Either a group or a person' : null),
      tool: (value, { server }) => (value !== '' && server === null ? 'Choose its server too' : null),
    },
  });
  const submit = form.onSubmit(({ group, user, server, tool, points, windowSeconds, concurrent, ...rest }) =>
    save.mutate(
      {
        organization,
        counts: counts.find(({ value }) => value === rest.counts)?.value ?? 'principal',
        ...(group !== null && { group }),
        ...(user !== '' && { user }),
        ...(server !== null && { server }),
        ...(tool !== '' && { tool }),
        ...(points !== '' && { points: Number(points), windowSeconds: Number(windowSeconds) }),
        ...(concurrent !== '' && { concurrent: Number(concurrent) }),
      },
      {
        onSuccess: () => {
          form.reset();
          onClose();
        },
      },
    ),
  );
  return (
    <FormDrawer
      title="Set a limit"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Set it"
      isBusy={save.isPending}
    >
      <Group grow align="flex-start">
        <NumberInput label="Calls" min={0} allowDecimal={false} {...form.getInputProps('points')} />
        <Select label="In" data={spans} allowDeselect={false} {...form.getInputProps('windowSeconds')} />
      </Group>
      <NumberInput
        label="Calls under way at once"
        description="Optional; on each replica."
        min={0}
        allowDecimal={false}
        {...form.getInputProps('concurrent')}
      />
      <Select label="Counted" data={[...counts]} allowDeselect={false} {...form.getInputProps('counts')} />
      <PickGroup
        label="Only of the group"
        placeholder="Everybody"
        clearable
        value={form.values.group}
        onChange={(group) => form.setFieldValue('group', group)}
      />
      <TextInput label="Only of the person" placeholder="E-mail address" type="email" {...form.getInputProps('user')} />
      <PickServer
        label="Only calls to the server"
        placeholder="Every server"
        clearable
        value={form.values.server}
        onChange={(server) => form.setFieldValue('server', server)}
      />
      <TextInput label="Only calls of the tool" placeholder="Every tool" {...form.getInputProps('tool')} />
    </FormDrawer>
  );
}
