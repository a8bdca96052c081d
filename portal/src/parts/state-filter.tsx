import { Select } from '@mantine/core';

interface StateFilterProps {
  readonly states: readonly string[] | readonly { readonly value: string; readonly label: string }[];
  /** undefined: any. */
  readonly value: string | undefined;
  /** Empty: any. */
  readonly onChange: (state: string) => void;
}

export function StateFilter({ states, value, onChange }: StateFilterProps) {
  return (
    <Select
      aria-label="State"
      placeholder="Any state"
      data={[...states] as string[]}
      value={value ?? null}
      onChange={(state) => onChange(state ?? '')}
      clearable
      clearButtonProps={{ 'aria-label': 'Any state' }}
      w={150}
    />
  );
}
