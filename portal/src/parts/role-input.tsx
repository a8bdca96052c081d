/** Roles: any word, with those that mean something here offered. */
import { TagsInput } from '@mantine/core';

interface RoleInputProps {
  readonly value: readonly string[];
  readonly onChange: (roles: string[]) => void;
  readonly description?: string;
  readonly disabled?: boolean;
}

const known = ['admin', 'auditor', 'admin:scim:write', 'admin:members:*', 'admin:groups:*', 'admin:servers:*'];
const meaning =
  'admin administers this organization, auditor reads its audit log; other words are for collections and policies.';

export function RoleInput({ value, onChange, description = meaning, disabled }: RoleInputProps) {
  return (
    <TagsInput
      label="Roles"
      description={description}
      placeholder={value.length === 0 ? 'None' : undefined}
      data={known}
      value={[...value]}
      onChange={onChange}
      disabled={disabled}
      maxTags={100}
      clearable
      clearButtonProps={{ 'aria-label': 'Take all roles away' }}
    />
  );
}
