/** The form of a notification: new, or changed. What it is sent to is written and never shown. */
import { Alert, Button, Checkbox, Drawer, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { type Item, useChange } from '#portal/api/hooks.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { type EventName, events, type KindName, kinds } from './events.ts';

type Rule = Item<'listNotifications'>;

interface FormProps {
  /** null: a new one; undefined: closed. */
  readonly rule: Rule | null | undefined;
  readonly canMail: boolean;
  readonly onClose: () => void;
  readonly onSecret: (secret: string) => void;
}

export function NotificationForm({ rule, ...props }: FormProps) {
  return (
    <Drawer
      opened={rule !== undefined}
      onClose={props.onClose}
      title={rule === null ? 'New notification' : 'Change notification'}
    >
      {rule !== undefined && <Fields key={rule?.id ?? 'new'} rule={rule} {...props} />}
    </Drawer>
  );
}

interface Values {
  name: string;
  kind: KindName;
  events: string[];
  threshold: number;
  url: string;
  to: string;
}

const listOf = (to: string): string[] => to.split(/[\s,;]+/).filter(Boolean);

function Fields({ rule, canMail, onClose, onSecret }: FormProps & { readonly rule: Rule | null }) {
  const organization = useOrganization();
  const refreshes = ['listNotifications'] as const;
  const create = useChange('createNotification', { refreshes, done: ({ name }) => `${name} was made` });
  const update = useChange('updateNotification', { refreshes, done: ({ name }) => `${name} was changed` });
  const form = useForm<Values>({
    initialValues: {
      ...{ name: rule?.name ?? '', kind: rule?.kind ?? 'webhook', threshold: rule?.threshold ?? 20, url: '', to: '' },
      events: [...(rule?.events ?? events.slice(0, 3).map(({ value }) => value))],
    },
    validate: {
      name: (value) => (value.trim() === '' ? 'Needs a name' : null),
      events: (value) => (value.length === 0 ? 'Choose at least one' : null),
      url: (value, { kind }) =>
        kind === 'email' || (value === '' && rule) || /^https?:\/\/./.test(value)
          ? null
          : 'Needs an address that begins with https://',
      to: (value, { kind }) =>
        kind !== 'email' || (value === '' && rule) || listOf(value).length > 0 ? null : 'Needs an address',
    },
  });
  const submit = form.onSubmit(({ name, kind, events: chosen, threshold, url, to }) => {
    const target = kind === 'email' ? (to === '' ? {} : { to: listOf(to) }) : url === '' ? {} : { url };
    const given = { organization, name, threshold, events: chosen as EventName[], ...target };
    if (rule) update.mutate({ ...given, id: rule.id }, { onSuccess: onClose });
    else
      create.mutate(
        { ...given, kind },
        {
          onSuccess: ({ signingSecret }) => {
            onClose();
            if (signingSecret !== null) onSecret(signingSecret);
          },
        },
      );
  });
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label="Name" required data-autofocus {...form.getInputProps('name')} />
        <Select
          label="How"
          data={[...kinds]}
          allowDeselect={false}
          disabled={rule !== null}
          {...form.getInputProps('kind')}
        />
        <Target kind={form.values.kind} canMail={canMail} isKept={rule !== null} input={form.getInputProps} />
        <Checkbox.Group label="Tell of" {...form.getInputProps('events')}>
          <Stack gap={6} mt={6}>
            {events.map(({ value, label }) => (
              <Checkbox key={value} value={value} label={label} />
            ))}
          </Stack>
        </Checkbox.Group>
        {form.values.events.includes('calls.denied') && (
          <NumberInput label="Refused calls within five minutes" min={1} {...form.getInputProps('threshold')} />
        )}
        <Button type="submit" loading={create.isPending || update.isPending}>
          {rule ? 'Save' : 'Make it'}
        </Button>
      </Stack>
    </form>
  );
}

interface TargetProps {
  readonly kind: KindName;
  readonly canMail: boolean;
  readonly isKept: boolean;
  readonly input: (name: 'url' | 'to') => object;
}

function Target({ kind, canMail, isKept, input }: TargetProps) {
  const kept = isKept ? 'Configured. Fill in only to change it.' : '';
  if (kind === 'email')
    return (
      <>
        {!canMail && (
          <Alert color="yellow" title="There is no mail server yet">
            Whoever runs the gateway sets <code>notifications.smtp</code> in gatehouse.yaml.
          </Alert>
        )}
        <TextInput label="Addresses" description={kept || 'Separated by commas.'} autoComplete="off" {...input('to')} />
      </>
    );
  return (
    <TextInput
      label="URL"
      description={kept || 'A secret: it is sealed, and only its host is shown.'}
      placeholder="https://hooks.example.com/…"
      autoComplete="off"
      {...input('url')}
    />
  );
}
