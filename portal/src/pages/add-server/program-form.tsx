/** A program or image that the gateway runs: the whole command is shown, and somebody who holds the machine agrees to it. */
import { Alert, Button, Checkbox, Code, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { type Greeting, GreetingPanel } from '#portal/pages/servers/greeting.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import { commandLine, type Detected } from './detect.ts';
import { checkKey, EnableFor } from './key-fields.tsx';

interface Props {
  readonly detected: Extract<Detected, { readonly kind: 'program' }>;
  readonly organization: string | undefined;
}

export function ProgramForm({ detected, organization }: Props) {
  const { user, isPlatform } = useSession();
  // What runs is the word of whoever holds the machine, never that of a browser's sign-in.
  if (!isPlatform || user !== null) return <Elsewhere detected={detected} organization={organization} />;
  return <Own detected={detected} organization={organization} />;
}

function Elsewhere({ detected: { key, transport }, organization }: Props) {
  const org = organization === undefined ? '' : ` --org ${organization}`;
  return (
    <Alert color="blue" title="Commands are decided on the gateway’s own machine">
      <Stack gap="xs">
        <Text size="sm">
          A program runs with what the machine allows it, so its operator starts it there. Give them this line, or open
          the portal with the link that <Code>gatehouse admin link</Code> prints on that machine.
        </Text>
        <CopyText text={`gatehouse run --name ${key}${org} -- ${commandLine(transport)}`} label="command" />
      </Stack>
    </Alert>
  );
}

/** `NAME=value` lines of the definition, sealed or in the clear. */
const secretName = /(secret|password|passwd|token|credential|(api|private|secret)[-_]?key|(^|_)key)$/i;

function parted(values: Readonly<Record<string, string>>) {
  const said = Object.entries(values).filter(([, value]) => value !== '');
  return {
    plain: Object.fromEntries(said.filter(([name]) => !secretName.test(name))),
    variables: Object.fromEntries(said.filter(([name]) => secretName.test(name))),
  };
}

function Own({ detected, organization }: Props) {
  const [, navigate] = useLocation();
  const [greeting, setGreeting] = useState<Greeting>();
  const [values, setValues] = useState<Readonly<Record<string, string>>>(detected.transport.env);
  const form = useForm({
    initialValues: { key: detected.key, enableFor: organization ?? null, agreed: false },
    validate: { key: checkKey, agreed: (agreed) => (agreed ? null : 'Read the command, then agree to it') },
  });
  const { plain, variables } = parted(values);
  const transport = { ...detected.transport, env: plain };
  const test = useChange('probeServer', { refreshes: [] });
  const create = useChange('createRun', {
    refreshes: ['listRuns', 'listServers', 'listOrganizationServers'],
    done: ({ title }) => `${title} is there`,
  });
  const shown = commandLine(detected.transport);
  const submit = form.onSubmit(({ key, enableFor }) =>
    create.mutate(
      {
        key,
        transport,
        ...(Object.keys(variables).length > 0 && { variables }),
        ...(enableFor !== null && { organization: enableFor }),
      },
      { onSuccess: () => navigate(`/runs/${key}`) },
    ),
  );
  return (
    <form onSubmit={submit}>
      <Stack>
        <Alert color="yellow" icon={<TriangleAlert aria-hidden />} title="This runs on the gateway’s machine">
          <CopyText text={shown} label="command" />
        </Alert>
        <TextInput label="Short name" required {...form.getInputProps('key')} />
        <Variables initial={detected.transport.env} values={values} onChange={setValues} />
        {organization === undefined && (
          <EnableFor value={form.values.enableFor} onChange={(slug) => form.setFieldValue('enableFor', slug)} />
        )}
        <Checkbox
          label="I have read the command, and it may run here"
          {...form.getInputProps('agreed', { type: 'checkbox' })}
        />
        <Group>
          <Button
            variant="default"
            disabled={!form.values.agreed || Object.keys(variables).length > 0}
            loading={test.isPending}
            onClick={() => test.mutate({ transport }, { onSuccess: setGreeting })}
          >
            Test it
          </Button>
          <Button type="submit" loading={create.isPending}>
            Save and enable
          </Button>
        </Group>
        {Object.keys(variables).length > 0 && (
          <Text size="sm" c="dimmed">
            Secrets are given to a program only once they are sealed: save it, then ask it on its page.
          </Text>
        )}
        {greeting && <GreetingPanel greeting={greeting} />}
      </Stack>
    </form>
  );
}

interface VariableProps {
  readonly name: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

const Variable = ({ name, value, onChange }: VariableProps) =>
  secretName.test(name) ? (
    <PasswordInput
      label={name}
      description="Sealed, given to the program, never shown again."
      autoComplete="off"
      value={value}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    />
  ) : (
    <TextInput label={name} value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)} />
  );

interface VariablesProps {
  readonly initial: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, string>>;
  readonly onChange: (values: Readonly<Record<string, string>>) => void;
}

function Variables({ initial, values, onChange }: VariablesProps) {
  const [names, setNames] = useState<readonly string[]>(Object.keys(initial));
  const [newName, setNewName] = useState('');
  const add = () => {
    setNames([...names, newName]);
    setNewName('');
  };
  return (
    <>
      {names.map((name) => (
        <Variable
          key={name}
          name={name}
          value={values[name] ?? ''}
          onChange={(value) => onChange({ ...values, [name]: value })}
        />
      ))}
      <Group align="flex-end">
        <TextInput
          label="Another variable"
          placeholder="API_KEY"
          value={newName}
          onChange={({ currentTarget }) => setNewName(currentTarget.value.toUpperCase())}
        />
        <Button
          variant="default"
          disabled={!/^[A-Z][A-Z0-9_]{0,63}$/.test(newName) || names.includes(newName)}
          onClick={add}
        >
          Add variable
        </Button>
      </Group>
    </>
  );
}
