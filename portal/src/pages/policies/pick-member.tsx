/** Choosing a member: what is typed is searched by the server. */
import { Select } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { useList } from '#portal/api/hooks.ts';

interface PickMemberProps {
  readonly organization: string;
  readonly label: string;
  readonly description?: string;
  readonly value: string | null;
  readonly onChange: (user: string | null) => void;
  readonly clearable?: boolean;
}

export function PickMember({ organization, value, onChange, ...shown }: PickMemberProps) {
  const [typed, setTyped] = useState('');
  const [settled] = useDebouncedValue(typed, 250);
  const { items, isLoading } = useList('listMembers', {
    organization,
    limit: 50,
    ...(settled !== '' && !settled.includes(' (') && { search: settled }),
  });
  const known = items.flatMap(({ user, name, email }) =>
    user === null ? [] : [{ value: user, label: labelOf(name, email, user) }],
  );
  const data =
    value === null || known.some((each) => each.value === value) ? known : [{ value, label: value }, ...known];
  return (
    <Select
      {...shown}
      data={data}
      value={value}
      onChange={onChange}
      searchable
      searchValue={typed}
      onSearchChange={setTyped}
      filter={({ options }) => options}
      placeholder="Type a name or address"
      nothingFoundMessage={isLoading ? 'Looking…' : 'No member like that'}
      clearButtonProps={{ 'aria-label': 'Choose nobody' }}
    />
  );
}

const labelOf = (name: string | null, email: string | null, user: string): string =>
  name !== null && email !== null ? `${name} (${email})` : (name ?? email ?? user);
