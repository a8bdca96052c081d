/** Servers of a collection, and how each is called from it. */
import { Button, Card, Checkbox, Group, PasswordInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { DraftProps } from './collection-page.tsx';
import { type BindingDraft, newBinding, type Tools } from './draft.ts';
import { ServerChoice } from './new-collection.tsx';

export function BindingsTab({ draft, onChange, mayWrite }: DraftProps) {
  const { bindings } = draft;
  const [added, setAdded] = useState<string[]>([]);
  const set = (index: number, change: Partial<BindingDraft>) =>
    onChange({ ...draft, bindings: bindings.map((each, i) => (i === index ? { ...each, ...change } : each)) });
  const fresh = added.filter((server) => !bindings.some((each) => each.server === server));
  return (
    <Stack maw={720}>
      {bindings.map((binding, index) => (
        <Binding
          key={binding.server}
          binding={binding}
          isAlone={bindings.length === 1}
          mayWrite={mayWrite}
          onChange={(change) => set(index, change)}
          onRemove={() => onChange({ ...draft, bindings: bindings.filter((_, i) => i !== index) })}
        />
      ))}
      {mayWrite && (
        <Group align="flex-end">
          <div style={{ flex: 1, minWidth: 220 }}>
            <ServerChoice value={added} onChange={setAdded} />
          </div>
          <Button
            variant="default"
            disabled={fresh.length === 0}
            onClick={() => {
              onChange({ ...draft, bindings: [...bindings, ...fresh.map(newBinding)] });
              setAdded([]);
            }}
          >
            Add to the collection
          </Button>
        </Group>
      )}
    </Stack>
  );
}

interface BindingProps {
  readonly binding: BindingDraft;
  readonly isAlone: boolean;
  readonly mayWrite: boolean;
  readonly onChange: (change: Partial<BindingDraft>) => void;
  readonly onRemove: () => void;
}

function Binding({ binding, isAlone, mayWrite, onChange, onRemove }: BindingProps) {
  const { server, partition, prefix, tools } = binding;
  return (
    <Card withBorder component="section" aria-label={`Server ${server}`}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Text fw={600}>{server}</Text>
          {mayWrite && !isAlone && (
            <Button size="compact-xs" variant="subtle" color="red" onClick={onRemove}>
              Take {server} out
            </Button>
          )}
        </Group>
        {!isAlone && (
          <TextInput
            label="Prefix of its tools"
            description="Before their names, so that those of two servers don’t meet."
            placeholder={server}
            disabled={!mayWrite}
            value={prefix ?? ''}
            onChange={({ currentTarget: { value } }) => onChange({ prefix: value === '' ? null : value })}
          />
        )}
        <TextInput
          label="Partition"
          description="Replaces {partition} in its address."
          disabled={!mayWrite}
          value={partition}
          onChange={({ currentTarget }) => onChange({ partition: currentTarget.value })}
        />
        <CredentialFields binding={binding} mayWrite={mayWrite} onChange={onChange} />
        <Guards tools={tools} mayWrite={mayWrite} onChange={(next) => onChange({ tools: next })} />
      </Stack>
    </Card>
  );
}

interface GuardsProps {
  readonly tools: Tools;
  readonly mayWrite: boolean;
  readonly onChange: (tools: Tools) => void;
}

function Guards({ tools, mayWrite, onChange }: GuardsProps) {
  return (
    <>
      <Select
        label="When the definition of a tool changes"
        data={[
          { value: 'off', label: 'Publish it as it is' },
          { value: 'hold', label: 'Publish the approved one until somebody approves' },
          { value: 'block', label: 'Publish nothing of it until somebody approves' },
        ]}
        allowDeselect={false}
        disabled={!mayWrite}
        value={tools.pins ?? 'off'}
        onChange={(pins) => onChange({ ...tools, pins: pins === 'hold' || pins === 'block' ? pins : 'off' })}
      />
      <Select
        label="Ask the person before a call"
        data={[
          { value: 'never', label: 'Never' },
          { value: 'destructive', label: 'Of tools that say they may destroy' },
        ]}
        allowDeselect={false}
        disabled={!mayWrite || Array.isArray(tools.confirm)}
        value={Array.isArray(tools.confirm) ? 'never' : (tools.confirm ?? 'never')}
        onChange={(value) => onChange({ ...tools, confirm: value === 'destructive' ? 'destructive' : 'never' })}
      />
    </>
  );
}

function CredentialFields({ binding, mayWrite, onChange }: Pick<BindingProps, 'binding' | 'mayWrite' | 'onChange'>) {
  const { partition, saved, credential, withoutCredential } = binding;
  const isKept = saved.hasCredential && partition === saved.partition;
  return (
    <>
      <PasswordInput
        label="Credential"
        description={
          isKept
            ? 'Configured. What is typed here replaces it.'
            : 'None of its own: the organization’s or the platform’s is used.'
        }
        autoComplete="off"
        disabled={!mayWrite}
        value={credential}
        onChange={({ currentTarget }) => onChange({ credential: currentTarget.value })}
      />
      {isKept && credential === '' && (
        <Checkbox
          label="Take its credential away"
          disabled={!mayWrite}
          checked={withoutCredential}
          onChange={({ currentTarget }) => onChange({ withoutCredential: currentTarget.checked })}
        />
      )}
    </>
  );
}
