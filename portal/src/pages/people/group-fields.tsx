/** Fields that a new group and a known one have alike. */
import { Collapse, NumberInput, Stack, TextInput, UnstyledButton } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { ChevronDown, ChevronRight } from 'lucide-react';

export interface GroupValues {
  readonly name: string;
  readonly title: string;
  readonly externalId: string;
  readonly priority: number;
}

export const emptyGroup: GroupValues = { name: '', title: '', externalId: '', priority: 100 };

export const checkGroupName = (value: string): string | null =>
  /^[A-Za-z0-9-]{1,128}$/.test(value) ? null : 'Letters, digits and "-", at most 128';

interface FieldsProps {
  readonly form: UseFormReturnType<GroupValues>;
  readonly disabled?: boolean;
  readonly isNameFixed?: boolean;
}

export function GroupFields({ form, disabled, isNameFixed }: FieldsProps) {
  const [isOpen, { toggle }] = useDisclosure(form.values.externalId !== '');
  return (
    <Stack>
      <TextInput
        label="Name"
        description="Letters, digits and “-”."
        placeholder="MCP-GitHub"
        required
        disabled={disabled || isNameFixed}
        data-autofocus
        {...form.getInputProps('name')}
      />
      <TextInput label="Title" description="What people read." disabled={disabled} {...form.getInputProps('title')} />
      <UnstyledButton fz="sm" onClick={toggle} aria-expanded={isOpen}>
        {isOpen ? <ChevronDown size={14} aria-hidden /> : <ChevronRight size={14} aria-hidden />} Identity provider and
        priority
      </UnstyledButton>
      <Collapse expanded={isOpen}>
        <Stack>
          <TextInput
            label="Id at the identity provider"
            description="Whoever’s token names it (the groups claim; in Entra the object id) is in this group."
            disabled={disabled}
            {...form.getInputProps('externalId')}
          />
          <NumberInput
            label="Priority"
            description="Of somebody’s groups, the lowest number decides which credential and address they get."
            min={0}
            max={1_000_000}
            disabled={disabled}
            {...form.getInputProps('priority')}
          />
        </Stack>
      </Collapse>
    </Stack>
  );
}
