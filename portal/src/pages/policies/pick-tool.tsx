/** A tool of a server: those that were seen there are offered, any other can be typed. */
import { Autocomplete } from '@mantine/core';
import { useList } from '#portal/api/hooks.ts';

interface PickToolProps {
  readonly organization: string;
  readonly server: string | null;
  readonly label: string;
  readonly value: string;
  readonly onChange: (name: string) => void;
}

export function PickTool({ organization, server, label, value, onChange }: PickToolProps) {
  const isKnown = server !== null && server !== '';
  const pins = useList('listPins', { organization, limit: 1000, ...(isKnown && { server }) }, { enabled: isKnown });
  const names = isKnown ? [...new Set(pins.items.map(({ tool }) => tool))].sort() : [];
  return (
    <Autocomplete
      label={label}
      description="By the server's own name."
      required
      data={names}
      limit={200}
      value={value}
      onChange={onChange}
    />
  );
}
