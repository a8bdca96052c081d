/** What holds for one argument: a fixed value, a list of values, a bound, a value where none is sent. */
import { Button, Card, Group, NumberInput, Select, TagsInput, TextInput } from '@mantine/core';
import type { Rules } from './draft.ts';

type Rule = Rules[string];
type Kind = 'fixed' | 'allowed' | 'maximum' | 'default';

const kinds: readonly { readonly value: Kind; readonly label: string }[] = [
  { value: 'fixed', label: 'is always' },
  { value: 'allowed', label: 'must be one of' },
  { value: 'maximum', label: 'is at most' },
  { value: 'default', label: 'is, where not said' },
];

interface Props {
  readonly argument: string;
  readonly rule: Rule;
  readonly mayWrite: boolean;
  readonly onChange: (rule: Rule | undefined) => void;
}

const fresh: Readonly<Record<Kind, Rule>> = {
  fixed: { fixed: '' },
  allowed: { allowed: [''] },
  maximum: { maximum: 100 },
  default: { default: '' },
};

const kindOf = (rule: Rule): Kind =>
  rule.fixed !== undefined ? 'fixed' : rule.allowed ? 'allowed' : rule.maximum !== undefined ? 'maximum' : 'default';

/** What looks like JSON is JSON; else it is text. */
export function parseValue(text: string): NonNullable<Rule['fixed']> {
  if (!/^(-?\d+(\.\d+)?|true|false|null|[[{"].*)$/s.test(text.trim())) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const textOf = (value: unknown): string =>
  typeof value === 'string' && parseValue(value) === value ? value : JSON.stringify(value);

export function RuleField({ argument, rule, mayWrite, onChange }: Props) {
  const kind = kindOf(rule);
  return (
    <Card withBorder p="xs">
      <Group align="flex-end" gap="xs">
        <Select
          label={argument}
          data={[...kinds]}
          value={kind}
          allowDeselect={false}
          disabled={!mayWrite}
          w={180}
          onChange={(value) => onChange(fresh[kinds.find((each) => each.value === value)?.value ?? 'fixed'])}
        />
        {kind === 'maximum' && (
          <NumberInput
            aria-label={`Most that ${argument} may be`}
            value={rule.maximum ?? 0}
            disabled={!mayWrite}
            onChange={(value) => typeof value === 'number' && onChange({ ...rule, maximum: value })}
          />
        )}
        {kind === 'allowed' && (
          <TagsInput
            aria-label={`Values of ${argument}`}
            value={(rule.allowed ?? []).map(textOf).filter((text) => text !== '')}
            disabled={!mayWrite}
            onChange={(values) => onChange({ ...rule, allowed: values.length === 0 ? [''] : values.map(parseValue) })}
          />
        )}
        {(kind === 'fixed' || kind === 'default') && (
          <TextInput
            aria-label={`Value of ${argument}`}
            value={textOf(rule[kind])}
            disabled={!mayWrite}
            onChange={({ currentTarget }) => onChange({ ...rule, [kind]: parseValue(currentTarget.value) })}
            style={{ flex: 1, minWidth: 160 }}
          />
        )}
        {mayWrite && (
          <Button
            variant="subtle"
            color="red"
            size="compact-sm"
            onClick={() => onChange(undefined)}
            aria-label={`Leave ${argument} free`}
          >
            Leave free
          </Button>
        )}
      </Group>
    </Card>
  );
}
