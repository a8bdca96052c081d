/** The editor of one set of policies: text, where it holds, and what the gateway says of it while one types. */
import '@mantine/core/styles/FloatingIndicator.css';
import { Alert, Button, Grid, Group, SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core';
import { lazy, Suspense, useCallback, useRef, useState } from 'react';
import { ApiError, call, type RouteInput } from '#portal/api/client.ts';
import { PageLoading } from '#portal/shell/page-loading.tsx';
import { findingsIn } from './cedar-text.ts';
import { useCedarSuggestions } from './completion.ts';
import { Snippets } from './snippets.tsx';
import { TargetFields } from './target-fields.tsx';

const CodeEditor = lazy(async () => ({ default: (await import('#portal/parts/code-editor.tsx')).CodeEditor }));

export type Draft = Omit<RouteInput<'createPolicy'>, 'organization'>;

export interface PolicyFormProps {
  readonly organization: string;
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly isNew: boolean;
  readonly isReadOnly: boolean;
  readonly isSaving: boolean;
  readonly onSave: () => void;
}

/** What the gateway says of a draft; a probe that nothing depends on is asked along. */
export async function checkDraft(organization: string, draft: Draft) {
  const probe = { server: draft.server ?? 'none', resource: 'none' };
  try {
    const { errors, warnings } = await call('testPolicies', { organization, draft: named(draft), cases: [probe] });
    return { errors, warnings };
  } catch (thrown) {
    if (!(thrown instanceof ApiError) || thrown.status !== 400) throw thrown;
    return { errors: thrown.message.split('\n'), warnings: [] };
  }
}

/** A name that isn't typed yet is not what is wrong with the text. */
export const named = (draft: Draft): Draft => ({ ...draft, name: draft.name === '' ? 'draft' : draft.name });

export function PolicyForm(props: PolicyFormProps) {
  const { organization, draft, onChange, isNew, isReadOnly, isSaving, onSave } = props;
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, md: 8 }}>
        <TextOfPolicies {...props} />
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 4 }}>
        <Stack>
          <TextInput
            label="Name"
            required
            disabled={!isNew}
            value={draft.name}
            onChange={({ currentTarget }) => onChange({ ...draft, name: currentTarget.value })}
            error={
              draft.name !== '' && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(draft.name)
                ? 'Letters, digits, ".", "_" and "-"'
                : undefined
            }
          />
          <TargetFields organization={organization} draft={draft} onChange={onChange} />
          <ModeField draft={draft} onChange={onChange} />
          <Select
            label="Where a policy can't be evaluated"
            data={[
              { value: 'deny', label: 'refuse the call' },
              { value: 'skip', label: 'go on without that policy' },
            ]}
            value={draft.onError ?? 'deny'}
            onChange={(value) => onChange({ ...draft, onError: value === 'skip' ? 'skip' : 'deny' })}
            allowDeselect={false}
          />
          {!isReadOnly && (
            <Group>
              <Button onClick={onSave} loading={isSaving} disabled={draft.name === ''}>
                {isNew ? 'Make it' : 'Save'}
              </Button>
            </Group>
          )}
        </Stack>
      </Grid.Col>
    </Grid>
  );
}

const ModeField = ({ draft, onChange }: Pick<PolicyFormProps, 'draft' | 'onChange'>) => (
  <div>
    <Text size="sm" fw={500} id="policy-mode">
      Mode
    </Text>
    <SegmentedControl
      aria-labelledby="policy-mode"
      fullWidth
      value={draft.mode ?? 'enforce'}
      onChange={(mode) => onChange({ ...draft, mode: mode === 'log' ? 'log' : 'enforce' })}
      data={[
        { value: 'log', label: 'Only log' },
        { value: 'enforce', label: 'Enforce' },
      ]}
    />
    <Text size="xs" c="dimmed">
      Only log: what it would refuse goes through and stands in the log as “would be refused”.
    </Text>
  </div>
);

interface Said {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

function TextOfPolicies({ organization, draft, onChange, isReadOnly }: PolicyFormProps) {
  const [said, setSaid] = useState<Said>();
  const isConfig = draft.config !== undefined;
  const text = isConfig ? JSON.stringify(draft.config, null, 2) : (draft.policies ?? '');
  // The editor asks with the text that it has; everything else is as it is now.
  const latest = useRef({ organization, draft });
  latest.current = { organization, draft };
  const suggestions = useCedarSuggestions(organization, draft.server);
  const check = useCallback(async (typed: string) => {
    const { organization: org, draft: now } = latest.current;
    if (typed.trim() === '') return [];
    const found = await checkDraft(org, { ...now, config: undefined, policies: typed });
    setSaid(found);
    return [...findingsIn(typed, found.errors, 'error'), ...findingsIn(typed, found.warnings, 'warning')];
  }, []);
  return (
    <Stack gap="xs">
      <Suspense fallback={<PageLoading />}>
        {isConfig ? (
          <ConfigEditor
            config={draft.config}
            onChange={isReadOnly ? undefined : (config) => onChange({ ...draft, config })}
          />
        ) : (
          <CodeEditor
            label="Policies in Cedar"
            language="cedar"
            height="420px"
            value={text}
            check={check}
            suggestions={suggestions}
            {...(!isReadOnly && { onChange: (policies: string) => onChange({ ...draft, policies }) })}
          />
        )}
      </Suspense>
      {!isConfig && said && <Findings said={said} />}
      {!isConfig && !isReadOnly && (
        <Snippets
          organization={organization}
          server={draft.server}
          onInsert={(piece) =>
            onChange({ ...draft, policies: `${text.trimEnd()}${text.trim() === '' ? '' : '\n\n'}${piece}\n` })
          }
        />
      )}
    </Stack>
  );
}

interface ConfigProps {
  readonly config: Draft['config'];
  readonly onChange: ((config: NonNullable<Draft['config']>) => void) | undefined;
}

/** With entities or names of claims: the whole configuration. */
function ConfigEditor({ config, onChange }: ConfigProps) {
  const [text, setText] = useState(() => JSON.stringify(config, null, 2));
  const [isWrong, setWrong] = useState(false);
  const type = (typed: string) => {
    setText(typed);
    try {
      onChange?.(JSON.parse(typed));
      setWrong(false);
    } catch {
      setWrong(true);
    }
  };
  return (
    <>
      <Text size="sm" c="dimmed">
        This set has entities or names of claims beside its policies, so all of it is shown as JSON.
      </Text>
      <CodeEditor
        label="Configuration as JSON"
        language="json"
        height="420px"
        value={text}
        {...(onChange && { onChange: type })}
      />
      {isWrong && <Text size="sm">This is no JSON yet: the last that was is kept.</Text>}
    </>
  );
}

function Findings({ said: { errors, warnings } }: { readonly said: Said }) {
  if (errors.length + warnings.length === 0)
    return (
      <Text size="sm" role="status">
        It can be saved: nothing is wrong with it.
      </Text>
    );
  const all = [...errors, ...warnings];
  return (
    <Alert
      color={errors.length > 0 ? 'red' : 'yellow'}
      role="status"
      title={errors.length > 0 ? 'It cannot be saved yet' : 'It can be saved; look at this first'}
    >
      {all.map((message) => (
        <Text key={message} size="sm" className="as-written">
          {message}
        </Text>
      ))}
    </Alert>
  );
}
