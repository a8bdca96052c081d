/** Choosing one of many things: what is typed is searched by the server. */
import { Select, type SelectProps } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { type ReactNode, useState } from 'react';
import { useList } from '#portal/api/hooks.ts';
import { useOrganization } from '#portal/shell/organization.ts';

interface PickProps extends Pick<SelectProps, 'label' | 'description' | 'error' | 'required' | 'placeholder' | 'size'> {
  readonly value: string | null;
  readonly onChange: (value: string | null) => void;
  /** Not offered. */
  readonly without?: readonly string[];
  readonly disabled?: boolean;
  readonly clearable?: boolean;
  readonly autoFocus?: boolean;
  readonly 'aria-label'?: string;
}

/** A group, by name. */
export function PickGroup({ without = [], autoFocus, ...props }: PickProps) {
  const organization = useOrganization();
  const [search, setSearch] = useState('');
  const [typed] = useDebouncedValue(search, 200);
  const { items } = useList('listGroups', { organization, limit: 50, sort: 'name', ...words(typed, props.value) });
  const data = items.filter(({ name }) => !without.includes(name)).map(({ name, title }) => option(name, title));
  return <Choice {...{ ...props, autoFocus, search, setSearch, data }} />;
}

/** A server that is enabled for the organization or its own, by key. */
export function PickServer({ without = [], autoFocus, ...props }: PickProps) {
  const organization = useOrganization();
  const [search, setSearch] = useState('');
  const [typed] = useDebouncedValue(search, 200);
  const asked = { organization, limit: 50, sort: 'server', ...words(typed, props.value) } as const;
  const { items } = useList('listOrganizationServers', asked);
  const data = items
    .filter(({ server }) => !without.includes(server))
    .map(({ server, title }) => option(server, title));
  return <Choice {...{ ...props, autoFocus, search, setSearch, data }} />;
}

interface PlaceProps {
  readonly values: { readonly server: string | null; readonly group: string | null };
  readonly errors: { readonly server?: ReactNode };
  readonly onChange: (name: 'server' | 'group', value: string | null) => void;
  /** What no group means. */
  readonly withoutGroup: string;
  readonly autoFocus?: boolean;
}

/** A server, and the group that something of it is for. */
export const PickServerAndGroup = ({ values, errors, onChange, withoutGroup, autoFocus = false }: PlaceProps) => (
  <>
    <PickServer
      label="Server"
      required
      autoFocus={autoFocus}
      value={values.server}
      error={errors.server}
      onChange={(server) => onChange('server', server)}
    />
    <PickGroup
      label="Group"
      description={withoutGroup}
      placeholder="Everybody else"
      clearable
      value={values.group}
      onChange={(group) => onChange('group', group)}
    />
  </>
);

interface Option {
  readonly value: string;
  readonly label: string;
}

const option = (value: string, title: string): Option => ({
  value,
  label: title === '' || title === value ? value : `${title} (${value})`,
});

/** What is chosen stands in the box: that isn't searched for. */
const words = (typed: string, value: string | null) =>
  typed === '' || (value !== null && typed.includes(value)) ? {} : { search: typed };

/** Until the server has answered, and whoever types quickly doesn't choose another than they see. */
const matches = (option: object, typed: string): boolean =>
  'label' in option && String(option.label).toLowerCase().includes(typed.trim().toLowerCase());

interface ChoiceProps extends Omit<PickProps, 'without'> {
  readonly search: string;
  readonly setSearch: (search: string) => void;
  readonly data: readonly Option[];
}

function Choice({ search, setSearch, data, value, autoFocus, ...props }: ChoiceProps) {
  const chosen = value !== null && !data.some((each) => each.value === value) ? [{ value, label: value }] : [];
  const shown = data.find((each) => each.value === value)?.label ?? value ?? '';
  return (
    <Select
      {...props}
      value={value}
      data={[...chosen, ...data]}
      searchable
      searchValue={search}
      onSearchChange={setSearch}
      filter={({ options, search: typed }) =>
        typed === shown ? options : options.filter((each) => matches(each, typed))
      }
      withScrollArea={false}
      styles={{ dropdown: { maxHeight: 240, overflowY: 'auto' } }}
      comboboxProps={{ withinPortal: false }}
      nothingFoundMessage="Nothing matches"
      data-autofocus={autoFocus}
    />
  );
}
