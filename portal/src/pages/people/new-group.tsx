/** The form of a new group. */
import { Button, Drawer, Stack } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useSearchParams } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { checkGroupName, emptyGroup, GroupFields, type GroupValues } from './group-fields.tsx';

export function NewGroup({ opened, onClose }: { readonly opened: boolean; readonly onClose: () => void }) {
  const organization = useOrganization();
  const [, setSearch] = useSearchParams();
  const create = useChange('createGroup', { refreshes: ['listGroups'], done: ({ name }) => `${name} was made` });
  const form = useForm<GroupValues>({ initialValues: emptyGroup, validate: { name: checkGroupName } });
  const submit = form.onSubmit(({ name, title, externalId, priority }) =>
    create.mutate(
      {
        ...{ organization, name, priority },
        ...(title !== '' && { title }),
        ...(externalId !== '' && { externalId }),
      },
      {
        onSuccess: (made) => {
          form.reset();
          setSearch({ tab: 'groups', group: made.name }, { replace: true });
        },
      },
    ),
  );
  return (
    <Drawer opened={opened} onClose={onClose} title="New group">
      <form onSubmit={submit}>
        <Stack>
          <GroupFields form={form} />
          <Button type="submit" loading={create.isPending}>
            Make it
          </Button>
        </Stack>
      </form>
    </Drawer>
  );
}
