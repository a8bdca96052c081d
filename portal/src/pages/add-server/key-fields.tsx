/** Fields that every way to a server shares: its short name, whom it is for, and the key that goes with calls. */
import { Fieldset, PasswordInput, Select, Stack, Switch, TextInput } from '@mantine/core';
import { useSession } from '#portal/api/session.tsx';

export const checkKey = (value: string): string | null =>
  /^[a-z0-9][a-z0-9-]{0,62}$/.test(value) ? null : 'a-z, 0-9 and "-", at most 63 characters';

export interface KeyValues {
  readonly credential: string;
  readonly header: string;
  readonly template: string;
}

export const noKey: KeyValues = { credential: '', header: 'Authorization', template: 'Bearer {}' };

/** As the API takes it; nothing where no key was given. */
export const keyOfValues = ({ credential, header, template }: KeyValues) =>
  credential === '' ? {} : { credential, header: { name: header, template } };

interface Props {
  readonly values: KeyValues;
  readonly onChange: (values: KeyValues) => void;
}

export function KeyFields({ values, onChange }: Props) {
  return (
    <Fieldset legend="Key (optional)">
      <Stack gap="sm">
        <PasswordInput
          label="Key"
          description="Sealed when it is saved, and never shown again. Left empty: calls go without."
          autoComplete="off"
          visibilityToggleButtonProps={{ 'aria-label': 'Show what was typed', 'aria-hidden': false, tabIndex: 0 }}
          value={values.credential}
          onChange={({ currentTarget }) => onChange({ ...values, credential: currentTarget.value })}
        />
        {values.credential !== '' && (
          <>
            <TextInput
              label="Header"
              value={values.header}
              onChange={({ currentTarget }) => onChange({ ...values, header: currentTarget.value })}
            />
            <TextInput
              label="Its value"
              description="{} stands for the key."
              error={values.template.includes('{}') ? undefined : 'Needs {} where the key goes'}
              value={values.template}
              onChange={({ currentTarget }) => onChange({ ...values, template: currentTarget.value })}
            />
          </>
        )}
      </Stack>
    </Fieldset>
  );
}

interface ForWhomProps {
  readonly allMembers: boolean;
  readonly onChange: (allMembers: boolean) => void;
}

export const ForWhom = ({ allMembers, onChange }: ForWhomProps) => (
  <Switch
    label="Every member may use it at once"
    description="Otherwise nobody may until you grant it to groups or roles."
    checked={allMembers}
    onChange={({ currentTarget }) => onChange(currentTarget.checked)}
  />
);

interface EnableForProps {
  readonly value: string | null;
  readonly onChange: (slug: string | null) => void;
}

/** For servers of the platform. */
export function EnableFor({ value, onChange }: EnableForProps) {
  const { organizations } = useSession();
  return (
    <Select
      label="Enable it for"
      description="It can be offered to more organizations later."
      placeholder="Nobody yet"
      data={organizations.map(({ slug, name }) => ({ value: slug, label: name }))}
      value={value}
      onChange={onChange}
      searchable
      clearable
      limit={100}
    />
  );
}
