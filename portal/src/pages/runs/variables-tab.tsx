/** Sealed variables of a program: names only; values go in and never come back. */
import { Button, Code, Group, PasswordInput, Stack, Table, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { RouteOutput } from '#portal/api/client.ts';
import { useChange, useList } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { Time } from '#portal/parts/time.tsx';

export function VariablesTab({ run: { server } }: { readonly run: RouteOutput<'getRun'> }) {
  const { user } = useSession();
  const { items } = useList('listRunVariables', { server });
  const remove = useChange('removeRunVariable', {
    refreshes: ['listRunVariables', 'getRun'],
    done: 'It was removed, and the program restarts',
  });
  return (
    <Stack maw={640}>
      {items.length === 0 && <Text size="sm">No sealed variable.</Text>}
      {items.length > 0 && (
        <Table aria-label="Sealed variables">
          <Table.Tbody>
            {items.map(({ name, updatedAt }) => (
              <Table.Tr key={name}>
                <Table.Td>
                  <Code>{name}</Code>
                </Table.Td>
                <Table.Td>
                  Configured, <Time at={updatedAt} />
                </Table.Td>
                <Table.Td>
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    color="red"
                    onClick={() =>
                      confirm({
                        title: `Remove ${name}?`,
                        text: 'The program restarts without it.',
                        verb: 'Remove it',
                        onConfirm: () => remove.mutate({ server, name }),
                      })
                    }
                  >
                    Remove {name}
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {user === null ? (
        <NewVariable server={server} />
      ) : (
        <Text size="sm" c="dimmed">
          Variables are set on the gateway’s own machine: gatehouse secret set {server} NAME
        </Text>
      )}
    </Stack>
  );
}

function NewVariable({ server }: { readonly server: string }) {
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const set = useChange('setRunVariables', {
    refreshes: ['listRunVariables', 'getRun'],
    done: 'Sealed: the program restarts with it',
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        set.mutate(
          { server, variables: { [name]: value } },
          {
            onSuccess: () => {
              setName('');
              setValue('');
            },
          },
        );
      }}
    >
      <Group align="flex-end">
        <TextInput
          label="Name"
          placeholder="API_KEY"
          value={name}
          onChange={({ currentTarget }) => setName(currentTarget.value.toUpperCase())}
        />
        <PasswordInput
          label="Value"
          autoComplete="off"
          value={value}
          onChange={({ currentTarget }) => setValue(currentTarget.value)}
          w={220}
        />
        <Button type="submit" loading={set.isPending} disabled={!/^[A-Z][A-Z0-9_]{0,63}$/.test(name) || value === ''}>
          Set and restart
        </Button>
      </Group>
    </form>
  );
}
