/** One tool of a collection: its name, what is said of it, rules for its arguments, and what a client will see. */
import { Alert, Code, Drawer, Group, Select, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useRoute } from '#portal/api/hooks.ts';
import { CodeEditor } from '#portal/parts/code-editor.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { type BindingDraft, type Rules, rename, setRules, type Tools, withoutEmpty } from './draft.ts';
import { RuleField } from './rule-field.tsx';
import type { Tool } from './tools-tab.tsx';

interface DrawerProps {
  readonly tool: Tool;
  readonly binding: BindingDraft;
  readonly mayWrite: boolean;
  readonly onChange: (tools: Tools) => void;
  readonly onClose: () => void;
}

export function ToolDrawer({ tool, binding, mayWrite, onChange, onClose }: DrawerProps) {
  const { tools } = binding;
  const name = String(tool.name);
  const anew = tools.rename?.[name];
  return (
    <Drawer opened onClose={onClose} title={name} size="xl">
      <Stack>
        <TextInput
          label="Name for clients"
          placeholder={name}
          disabled={!mayWrite}
          value={anew?.name ?? ''}
          error={
            /^[A-Za-z0-9_.-]{0,64}$/.test(anew?.name ?? '')
              ? undefined
              : 'Letters, digits, "_", "." and "-", at most 64'
          }
          onChange={({ currentTarget }) => onChange(rename(tools, name, { name: currentTarget.value }))}
        />
        <Textarea
          label="Description for clients"
          description="A model chooses by it."
          placeholder={typeof tool.description === 'string' ? tool.description : undefined}
          autosize
          minRows={2}
          maxRows={8}
          disabled={!mayWrite}
          value={anew?.description ?? ''}
          onChange={({ currentTarget }) => onChange(rename(tools, name, { description: currentTarget.value }))}
        />
        <Arguments tool={tool} tools={tools} mayWrite={mayWrite} onChange={onChange} />
        <Preview tool={tool} binding={binding} />
      </Stack>
    </Drawer>
  );
}

function propertiesOf({ inputSchema }: Tool): Readonly<Record<string, unknown>> {
  if (typeof inputSchema !== 'object' || inputSchema === null || !('properties' in inputSchema)) return {};
  const { properties } = inputSchema;
  return typeof properties === 'object' && properties !== null ? { ...properties } : {};
}

function Arguments({
  tool,
  tools,
  mayWrite,
  onChange,
}: Omit<DrawerProps, 'binding' | 'onClose'> & { readonly tools: Tools }) {
  const name = String(tool.name);
  const rules: Rules = tools.arguments?.[name] ?? {};
  const properties = propertiesOf(tool);
  const names = [...new Set([...Object.keys(properties), ...Object.keys(rules)])];
  const set = (argument: string, rule: Rules[string] | undefined) => {
    const { [argument]: _, ...others } = rules;
    onChange(setRules(tools, name, rule === undefined ? others : { ...others, [argument]: rule }));
  };
  const free = names.filter((argument) => rules[argument] === undefined);
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        Arguments
      </Title>
      <Text size="sm" c="dimmed">
        What is fixed here is sent whatever callers say. Texts may hold{' '}
        {/* biome-ignore lint/suspicious/noTemplateCurlyInString: as rules have them */}
        <Code>{'${user.email}'}</Code>, <Code>{'${user.groups}'}</Code>, <Code>{'${org.slug}'}</Code> and others.
      </Text>
      {Object.entries(rules).map(([argument, rule]) => (
        <RuleField
          key={argument}
          argument={argument}
          rule={rule}
          mayWrite={mayWrite}
          onChange={(next) => set(argument, next)}
        />
      ))}
      {mayWrite && free.length > 0 && (
        <Group>
          <Select
            label="Enforce an argument"
            placeholder="Choose"
            data={free}
            value={null}
            searchable
            onChange={(argument) => argument !== null && set(argument, { fixed: '' })}
            w={260}
          />
        </Group>
      )}
    </Stack>
  );
}

/** What a client will see, as the gateway would make it. */
function Preview({ tool, binding }: Pick<DrawerProps, 'tool' | 'binding'>) {
  const organization = useOrganization();
  const [settled] = useDebouncedValue(binding, 300);
  const { data, error } = useRoute('previewTools', {
    ...{ organization, definitions: [{ ...tool }], enforced: settled.enforced, tools: withoutEmpty(settled.tools) },
  });
  const published = data?.items[0]?.published;
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        What a client will see
      </Title>
      {error && <Alert color="red">{error.message}</Alert>}
      {data && !published && <Text size="sm">Nothing: it is not published.</Text>}
      {published && (
        <CodeEditor
          label="What a client will see"
          language="json"
          value={JSON.stringify(published, null, 2)}
          height="300px"
        />
      )}
      {data && <Text size="sm">About {data.tokens} tokens.</Text>}
    </Stack>
  );
}
