/** Where a set of policies holds. */
import { Select } from '@mantine/core';
import { useState } from 'react';
import { useList } from '#portal/api/hooks.ts';
import { PickServer } from '#portal/parts/pick.tsx';
import type { Draft } from './policy-form.tsx';

interface TargetProps {
  readonly organization: string;
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
}

type Kind = 'organization' | 'server' | 'collection';

export function TargetFields({ organization, draft, onChange }: TargetProps) {
  const { server, collection, ...others } = draft;
  const now: Kind = server !== undefined ? 'server' : collection !== undefined ? 'collection' : 'organization';
  const [kind, setKind] = useState<Kind>(now);
  const collections = useList('listCollections', { organization, limit: 1000 }, { enabled: kind === 'collection' });
  const names = collections.items.map(({ name }) => name);
  return (
    <>
      <Select
        label="Holds for"
        data={[
          { value: 'organization', label: 'the whole organization' },
          { value: 'server', label: 'one server, wherever it is reached' },
          { value: 'collection', label: 'one collection' },
        ]}
        value={kind}
        onChange={(value) => {
          setKind((value as Kind | null) ?? 'organization');
          onChange(others);
        }}
        allowDeselect={false}
      />
      {kind === 'server' && (
        <PickServer
          label="Server"
          required
          value={server ?? null}
          onChange={(key) => onChange(key === null ? others : { ...others, server: key })}
        />
      )}
      {kind === 'collection' && (
        <Select
          label="Collection"
          required
          data={collection === undefined || names.includes(collection) ? names : [collection, ...names]}
          value={collection ?? null}
          onChange={(name) => onChange(name === null ? others : { ...others, collection: name })}
          searchable
        />
      )}
    </>
  );
}
