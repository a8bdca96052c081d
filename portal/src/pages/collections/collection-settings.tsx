/** Whom a collection is for, how it lists its tools, its removal. */
import { Button, NumberInput, Radio, Stack, Switch, Text, Title } from '@mantine/core';
import { useLocation } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import type { DraftProps } from './collection-page.tsx';

export function CollectionSettings({ draft, onChange, mayWrite, name }: DraftProps & { readonly name: string }) {
  const { allowedRoles } = draft;
  return (
    <Stack maw={640}>
      <Switch
        label="Every member may use it"
        description="Otherwise roles, and groups and people that were granted it."
        checked={allowedRoles === '*'}
        disabled={!mayWrite}
        onChange={({ currentTarget }) => onChange({ ...draft, allowedRoles: currentTarget.checked ? '*' : [] })}
      />
      {allowedRoles !== '*' && (
        <RoleInput
          value={allowedRoles}
          description="Members with one of these roles."
          disabled={!mayWrite}
          onChange={(roles) => onChange({ ...draft, allowedRoles: roles })}
        />
      )}
      <ListingFields draft={draft} onChange={onChange} mayWrite={mayWrite} />
      {mayWrite && <Removal name={name} />}
    </Stack>
  );
}

function ListingFields({ draft, onChange, mayWrite }: DraftProps) {
  const { names, mode, tokenBudget } = draft;
  return (
    <>
      <Radio.Group
        label="Names of tools, where there are several servers"
        value={names}
        onChange={(value) => onChange({ ...draft, names: value === 'plain' ? 'plain' : 'prefixed' })}
      >
        <Stack gap={6} mt={6}>
          <Radio value="prefixed" label="With the server’s prefix: tickets_search" disabled={!mayWrite} />
          <Radio
            value="plain"
            label="As the servers call them: search; of two, the first server’s"
            disabled={!mayWrite}
          />
        </Stack>
      </Radio.Group>
      <Radio.Group
        label="What clients are shown"
        value={mode}
        onChange={(value) => onChange({ ...draft, mode: value === 'meta' || value === 'auto' ? value : 'full' })}
      >
        <Stack gap={6} mt={6}>
          <Radio value="full" label="All tools" disabled={!mayWrite} />
          <Radio
            value="auto"
            label="All tools while they are few; three tools that search beyond the budget"
            disabled={!mayWrite}
          />
          <Radio
            value="meta"
            label="Always three tools that search, describe and call the others"
            disabled={!mayWrite}
          />
        </Stack>
      </Radio.Group>
      {mode === 'auto' && (
        <NumberInput
          label="Budget in tokens"
          description="About what the list may cost a model."
          min={1}
          max={10_000_000}
          thousandSeparator=" "
          disabled={!mayWrite}
          value={tokenBudget}
          onChange={(value) => typeof value === 'number' && value >= 1 && onChange({ ...draft, tokenBudget: value })}
        />
      )}
    </>
  );
}

function Removal({ name }: { readonly name: string }) {
  const organization = useOrganization();
  const [, navigate] = useLocation();
  const remove = useChange('removeCollection', { refreshes: ['listCollections'], done: `${name} was removed` });
  return (
    <Stack gap={4} align="flex-start">
      <Title order={2} size="h4">
        Removal
      </Title>
      <Text size="sm" c="dimmed">
        Its address answers nobody from then on. Its credentials go with it.
      </Text>
      <Button
        color="red"
        variant="light"
        onClick={() =>
          confirm({
            title: `Remove ${name}?`,
            text: 'Clients that use its address get an error from then on.',
            verb: 'Remove it',
            name,
            onConfirm: () =>
              remove.mutate({ organization, name }, { onSuccess: () => navigate(`/o/${organization}/collections`) }),
          })
        }
      >
        Remove this collection
      </Button>
    </Stack>
  );
}
