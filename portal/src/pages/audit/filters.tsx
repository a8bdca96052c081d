/** The form above the trail. */
import { Button, Group, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';
import { useUrlState } from '#portal/parts/url-state.ts';
import { kinds, useTrailFilter } from './filter.ts';

export function TrailFilters() {
  const { filter, clear } = useTrailFilter();
  const isAny = Object.keys(filter).length > 0;
  return (
    <Group gap="sm" align="flex-end">
      <Choice name="kind" label="Kind" data={kinds} />
      <Word name="person" label="Person" placeholder="address or subject" />
      <Word name="server" label="Server" placeholder="key" />
      <Word name="tool" label="Tool" placeholder="exact name" />
      <Word name="action" label="Action" placeholder="key.create" />
      <Choice
        name="decision"
        label="Decision"
        data={[
          { value: 'allow', label: 'Allowed' },
          { value: 'deny', label: 'Denied' },
        ]}
      />
      <Moment name="since" label="From" />
      <Moment name="until" label="Until" />
      {isAny && (
        <Button variant="subtle" size="xs" onClick={clear}>
          Clear filters
        </Button>
      )}
    </Group>
  );
}

interface PartProps {
  readonly name: string;
  readonly label: string;
}

interface ChoiceProps extends PartProps {
  readonly data: readonly { readonly value: string; readonly label: string }[];
}

function Choice({ name, label, data }: ChoiceProps) {
  const [value, setValue] = useUrlState(name);
  return (
    <Select
      label={label}
      size="xs"
      w={140}
      placeholder="any"
      clearable
      clearButtonProps={{ 'aria-label': `Clear ${label.toLowerCase()}` }}
      data={[...data]}
      value={value === '' ? null : value}
      onChange={(chosen) => setValue(chosen ?? '')}
    />
  );
}

/** What is typed follows the address when that changes by a link or by clearing. */
function useTyped(value: string): readonly [string, (typed: string) => void] {
  const [typed, setTyped] = useState(value);
  const [before, setBefore] = useState(value);
  if (before !== value) {
    setBefore(value);
    setTyped(value);
  }
  return [typed, setTyped];
}

function Word({ name, label, placeholder }: PartProps & { readonly placeholder: string }) {
  const [value, setValue] = useUrlState(name);
  const [typed, setTyped] = useTyped(value);
  const settle = useDebouncedCallback(setValue, 400);
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      size="xs"
      w={150}
      value={typed}
      onChange={({ currentTarget }) => {
        setTyped(currentTarget.value);
        settle(currentTarget.value.trim());
      }}
    />
  );
}

/** In the time of this computer; the address has it in UTC. */
function Moment({ name, label }: PartProps) {
  const [value, setValue] = useUrlState(name);
  const at = Date.parse(value);
  const local = Number.isNaN(at)
    ? ''
    : new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return (
    <TextInput
      type="datetime-local"
      label={label}
      size="xs"
      w={180}
      value={local}
      onChange={({ currentTarget: { value: chosen } }) => setValue(chosen === '' ? '' : new Date(chosen).toISOString())}
    />
  );
}
