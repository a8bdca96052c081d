import { NativeSelect } from '@mantine/core';
import { spanOf, spans } from './span.ts';

export function SpanPicker({ value, onChange }: { readonly value: string; readonly onChange: (name: string) => void }) {
  return (
    <NativeSelect
      aria-label="Time range"
      data={spans.map(({ name, label }) => ({ value: name, label }))}
      value={spanOf(value).name}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
      w={170}
    />
  );
}
