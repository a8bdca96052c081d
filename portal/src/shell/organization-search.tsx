import { Select } from '@mantine/core';
import '#portal/styles-later.ts';

interface SearchProps {
  readonly data: readonly { readonly value: string; readonly label: string }[];
  readonly value: string | null;
  readonly onChange: (slug: string) => void;
}

export function OrganizationSearch({ data, value, onChange }: SearchProps) {
  return (
    <Select
      aria-label="Organization"
      data={[...data]}
      value={value}
      placeholder="Organization"
      onChange={(slug) => slug !== null && onChange(slug)}
      searchable
      limit={200}
      allowDeselect={false}
      size="xs"
      w={{ base: 150, sm: 220 }}
    />
  );
}
