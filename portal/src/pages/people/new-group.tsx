/** The form of a new group. */
import { useForm } from '@mantine/form';
import { useSearchParams } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
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
    <FormDrawer
      title="New group"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Make it"
      isBusy={create.isPending}
    >
      <GroupFields form={form} />
    </FormDrawer>
  );
}
