/** The end of an organization. */
import { Button, Group, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

export function DangerZone() {
  const organization = useOrganization();
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const remove = useChange('removeOrganization', {
    refreshes: ['listOrganizations'],
    done: ({ name }) => `${name} was removed`,
  });
  const ask = () =>
    confirm({
      title: `Remove ${organization}?`,
      text: 'Nobody reaches anything of it any more: its servers, collections, keys and members end. Its audit log stays.',
      verb: 'Remove the organization',
      name: organization,
      onConfirm: () =>
        remove.mutate(
          { organization },
          {
            onSuccess: async () => {
              navigate('/organizations');
              await client.invalidateQueries({ queryKey: ['session'] });
            },
          },
        ),
    });
  return (
    <Group justify="space-between" maw={720}>
      <Text size="sm">Remove this organization, with everything in it.</Text>
      <Button color="red" variant="light" onClick={ask} loading={remove.isPending}>
        Remove the organization
      </Button>
    </Group>
  );
}
