/** Choosing a tool and giving its arguments: by a form of its schema, or as JSON. */
import { Button, Group, Select, Skeleton, Stack, Tabs, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { useList } from '#portal/api/hooks.ts';
import type { CallRequest } from '#portal/pages/playground/run-call.ts';
import { CopyIcon } from '#portal/parts/copy.tsx';
import { fallbacksOf, fieldsOf, type JsonObject, missingOf, parseObject } from '#portal/parts/schema.ts';
import { SchemaForm } from '#portal/parts/schema-form.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { gatehouseCall } from './as-command.ts';

const CodeEditor = lazy(async () => ({ default: (await import('#portal/parts/code-editor.tsx')).CodeEditor }));

type Params = NonNullable<CallRequest['params']>;

export interface CallFormProps {
  readonly organization: string;
  readonly endpoint: string;
  readonly isRunning: boolean;
  readonly onRun: (params: Params) => void;
  readonly onCancel: () => void;
}

interface Tool {
  readonly name: string;
  readonly title: string | null;
  readonly description: string;
  readonly inputSchema: JsonObject;
}

export function ToolForm(props: CallFormProps) {
  const { organization, endpoint } = props;
  const [chosen, setChosen] = useUrlState('tool');
  const [typed, setTyped] = useState('');
  const [search] = useDebouncedValue(typed === chosen ? '' : typed, 250);
  const words = search === '' ? {} : { search };
  const list = useList('listMyTools', { organization, endpoint, limit: 200, ...words });
  // What the address names may be beyond the first of them.
  const named = useList(
    'listMyTools',
    { organization, endpoint, search: chosen, limit: 50 },
    { enabled: chosen !== '' },
  );
  const tool = [...list.items, ...named.items].find(({ name }) => name === chosen);
  const names = [...new Set([...(chosen === '' ? [] : [chosen]), ...list.items.map(({ name }) => name)])];
  return (
    <Stack gap="sm">
      {list.error && <ErrorPanel error={list.error} retry={list.reload} />}
      <Select
        label="Tool"
        placeholder="Type to find one"
        data={names}
        value={chosen === '' ? null : chosen}
        onChange={(value) => setChosen(value ?? '')}
        searchable
        searchValue={typed}
        onSearchChange={setTyped}
        filter={({ options }) => options}
        nothingFoundMessage={list.isLoading ? 'Looking…' : 'You may use no such tool here'}
      />
      {tool && <Arguments {...props} key={`${endpoint} ${tool.name}`} tool={tool} />}
      {chosen !== '' && !tool && named.isLoading && <Skeleton h={120} />}
      {chosen !== '' && !tool && !named.isLoading && (
        <Text size="sm">There is no tool “{chosen}” at this address that you may use.</Text>
      )}
    </Stack>
  );
}

function Arguments({
  tool,
  organization,
  endpoint,
  isRunning,
  onRun,
  onCancel,
}: CallFormProps & { readonly tool: Tool }) {
  const fields = fieldsOf(tool.inputSchema);
  const [args, setArgs] = useState<JsonObject>(() => fallbacksOf(fields));
  const [text, setText] = useState<string>();
  const asText = text ?? JSON.stringify(args, null, 2);
  const given = text === undefined ? args : parseObject(text);
  const missing = given ? missingOf(fields, given) : [];
  const change = (typed: string) => {
    setText(typed);
    const parsed = parseObject(typed);
    if (parsed) setArgs(parsed);
  };
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed" lineClamp={4} className="as-written">
        {tool.description}
      </Text>
      <Tabs
        defaultValue={fields.length === 0 && tool.inputSchema.properties === undefined ? 'json' : 'form'}
        keepMounted={false}
        onChange={() => {
          if (given) setText(undefined);
        }}
      >
        <Tabs.List aria-label="Arguments" mb="sm">
          <Tabs.Tab value="form">Form</Tabs.Tab>
          <Tabs.Tab value="json">JSON</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="form">
          {fields.length === 0 ? (
            <Text size="sm">It takes no arguments.</Text>
          ) : (
            <SchemaForm fields={fields} value={args} onChange={setArgs} />
          )}
        </Tabs.Panel>
        <Tabs.Panel value="json">
          <Suspense fallback={<Skeleton h={220} />}>
            <CodeEditor label="Arguments as JSON" language="json" height="220px" value={asText} onChange={change} />
          </Suspense>
        </Tabs.Panel>
      </Tabs>
      {given === undefined && <Text size="sm">This is no JSON object yet.</Text>}
      {missing.length > 0 && (
        <Text size="sm" c="dimmed">
          The schema wants: {missing.join(', ')}. You may run it without, to see what the server says.
        </Text>
      )}
      <Orders
        {...{ isRunning, onCancel }}
        onRun={given && (() => onRun({ name: tool.name, arguments: given as Params }))}
      >
        <CopyIcon
          text={gatehouseCall({ organization, endpoint, tool: tool.name, args: given ?? {} })}
          label="as gatehouse call"
        />
      </Orders>
    </Stack>
  );
}

interface OrdersProps {
  readonly isRunning: boolean;
  /** undefined: not yet. */
  readonly onRun: (() => void) | undefined;
  readonly onCancel: () => void;
  readonly children?: ReactNode;
}

export const Orders = ({ isRunning, onRun, onCancel, children }: OrdersProps) => (
  <Group gap="xs">
    <Button onClick={onRun} loading={isRunning} disabled={onRun === undefined}>
      Run
    </Button>
    {isRunning && (
      <Button variant="default" onClick={onCancel}>
        Cancel
      </Button>
    )}
    {children}
  </Group>
);
