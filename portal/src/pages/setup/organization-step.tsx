/** The first organization: a name is enough. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useChange } from '#portal/api/hooks.ts';

const slugOf = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);

export function OrganizationStep({ onDone }: { readonly onDone: (slug: string) => void }) {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [given, setGiven] = useState('');
  const slug = given || slugOf(name);
  const create = useChange('createOrganization', { refreshes: ['listOrganizations'] });
  const isRight = name.trim() !== '' && /^[a-z0-9][a-z0-9-]{0,62}$/.test(slug);
  const submit = (event: { preventDefault(): void }) => {
    event.preventDefault();
    create.mutate(
      { name: name.trim(), slug },
      {
        onSuccess: async (made) => {
          onDone(made.slug);
          await client.invalidateQueries({ queryKey: ['session'] });
        },
      },
    );
  };
  return (
    <form onSubmit={submit}>
      <Stack maw={420} mt="md">
        <TextInput
          label="What is your organization called?"
          required
          value={name}
          onChange={({ currentTarget }) => setName(currentTarget.value)}
        />
        <TextInput
          label="Short name"
          description="In addresses; it can't be changed later."
          placeholder={slugOf(name)}
          value={given}
          onChange={({ currentTarget }) => setGiven(currentTarget.value)}
          error={given !== '' && !/^[a-z0-9][a-z0-9-]{0,62}$/.test(given) ? 'a-z, 0-9 and "-"' : undefined}
        />
        {isRight && <Text size="sm">Its tools will be at /{slug}/mcp.</Text>}
        <Group>
          <Button type="submit" loading={create.isPending} disabled={!isRight}>
            Make it
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
