/** A key for a server: it goes in here and comes out nowhere. */
import { Button, Collapse, Drawer, PasswordInput, Stack, Text, TextInput, UnstyledButton } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useChange } from '#portal/api/hooks.ts';
import { PickServerAndGroup } from '#portal/parts/pick.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { type Credential, everybodyElse } from './server-keys-tab.tsx';

interface DrawerProps {
  /** A known one gets another key. */
  readonly open: Credential | 'new' | undefined;
  readonly onClose: () => void;
}

export function ServerKeyDrawer({ open, onClose }: DrawerProps) {
  const known = open === 'new' ? undefined : open;
  const title = known
    ? `Replace the key of ${known.group ?? everybodyElse} for ${known.server}`
    : 'Add a key for a server';
  return (
    <Drawer opened={open !== undefined} onClose={onClose} title={title}>
      {open !== undefined && <KeyForm known={known} onClose={onClose} />}
    </Drawer>
  );
}

interface Values {
  readonly server: string | null;
  readonly group: string | null;
  readonly keyName: string;
  readonly credential: string;
  readonly header: string;
  readonly template: string;
}

function KeyForm({ known, onClose }: { readonly known: Credential | undefined; readonly onClose: () => void }) {
  const organization = useOrganization();
  const isOther = known !== undefined && known.header !== null && known.header.toLowerCase() !== 'authorization';
  const save = useChange('setCredential', {
    refreshes: ['listCredentials'],
    done: ({ server, group }) => `The key of ${group ?? everybodyElse} for ${server} was saved`,
  });
  const form = useForm<Values>({
    initialValues: {
      ...{ server: known?.server ?? null, group: known?.group ?? null, keyName: known?.keyName ?? '', credential: '' },
      header: known?.header ?? 'authorization',
      template: isOther ? '{}' : 'Bearer {}',
    },
    validate: {
      server: (value) => (value === null ? 'Choose a server' : null),
      credential: (value) => (value === '' ? 'Needs a key' : null),
      keyName: (value) => (/^[A-Za-z0-9_.-]{0,128}$/.test(value) ? null : 'Letters, digits, "_", "." and "-"'),
      template: (value) => (value.includes('{}') ? null : 'Needs {} where the key goes'),
    },
  });
  const submit = form.onSubmit(({ server, group, keyName, credential, header, template }) => {
    if (server === null) return;
    const isDefault = header.toLowerCase() === 'authorization' && template === 'Bearer {}';
    save.mutate(
      {
        ...{ organization, server, keyName, credential },
        ...(group !== null && { group }),
        ...(!isDefault && { header: { name: header, template } }),
        ...(known && known.url !== null && { url: known.url }),
      },
      { onSuccess: onClose },
    );
  });
  return (
    <form onSubmit={submit} autoComplete="off">
      <Stack>
        {!known && (
          <PickServerAndGroup
            values={form.values}
            errors={form.errors}
            onChange={(name, value) => form.setFieldValue(name, value)}
            withoutGroup="None: for everybody whom no group of theirs gives one."
            autoFocus
          />
        )}
        <PasswordInput
          label="Key"
          description="Sealed here, sent to the server, and never shown again."
          required
          autoComplete="new-password"
          data-autofocus={known !== undefined}
          visibilityToggleButtonProps={{ 'aria-label': 'Show what was typed' }}
          {...form.getInputProps('credential')}
        />
        {known && known.url !== null && (
          <Text size="sm" c="dimmed">
            It goes to {known.url}, as the last one did.
          </Text>
        )}
        <HeaderFields
          form={form}
          isKnown={known !== undefined}
          isOpenAtFirst={isOther || (known?.keyName ?? '') !== ''}
        />
        <Button type="submit" loading={save.isPending}>
          {known ? 'Replace it' : 'Save the key'}
        </Button>
      </Stack>
    </form>
  );
}

interface FieldsProps {
  readonly form: UseFormReturnType<Values>;
}

interface HeaderFieldsProps extends FieldsProps {
  readonly isKnown: boolean;
  readonly isOpenAtFirst: boolean;
}

function HeaderFields({ form, isKnown, isOpenAtFirst }: HeaderFieldsProps) {
  const [isOpen, { toggle }] = useDisclosure(isOpenAtFirst);
  return (
    <>
      <UnstyledButton fz="sm" onClick={toggle} aria-expanded={isOpen}>
        {isOpen ? <ChevronDown size={14} aria-hidden /> : <ChevronRight size={14} aria-hidden />} Header and key name
      </UnstyledButton>
      <Collapse expanded={isOpen}>
        <Stack>
          <TextInput label="Header" {...form.getInputProps('header')} />
          <TextInput
            label="Value"
            description="{} stands for the key."
            placeholder="Bearer {}"
            {...form.getInputProps('template')}
          />
          <TextInput
            label="Key name"
            description="Where a server has several keys: the one that the server asks for is used."
            disabled={isKnown}
            {...form.getInputProps('keyName')}
          />
        </Stack>
      </Collapse>
    </>
  );
}
