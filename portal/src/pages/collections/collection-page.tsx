/** One collection: its tools, its servers, how clients are connected to it, whom it is for. */
import { Alert, Button, Group, Skeleton } from '@mantine/core';
import { useState } from 'react';
import { useParams } from 'wouter';
import { sayRefused, useChange } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useTagged } from '#portal/api/tagged.ts';
import { changedMeanwhile } from '#portal/pages/servers/settings-tab.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type PageTab, PageTabs } from '#portal/parts/page-tabs.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { BindingsTab } from './bindings-tab.tsx';
import { CollectionSettings } from './collection-settings.tsx';
import { ConnectTab } from './connect-tab.tsx';
import { type Collection, type Draft, draftOf, savedOf } from './draft.ts';
import { ToolsTab } from './tools-tab.tsx';

export function Page() {
  const organization = useOrganization();
  const { name = '' } = useParams();
  const { data, error, refetch } = useTagged('getCollection', { organization, name });
  if (!data)
    return (
      <PageFrame title={name}>
        {error ? <ErrorPanel error={error} retry={() => void refetch()} /> : <Skeleton h={240} />}
      </PageFrame>
    );
  return <Editor key={data.etag} collection={data.item} etag={data.etag} />;
}

interface EditorProps {
  readonly collection: Collection;
  readonly etag: string | undefined;
}

export interface DraftProps {
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly mayWrite: boolean;
}

function Editor({ collection, etag }: EditorProps) {
  const organization = useOrganization();
  const session = useSession();
  const mayWrite = isAllowed(session, 'admin:collections:write', organization);
  const [draft, setDraft] = useState<Draft>();
  const save = useChange('updateCollection', {
    refreshes: ['getCollection', 'listCollections'],
    done: 'Saved: clients see it from now on',
    quiet: true,
  });
  const now = draft ?? draftOf(collection);
  const editing = { draft: now, onChange: setDraft, mayWrite };
  const tabs: readonly PageTab[] = [
    { value: 'tools', title: 'Tools', content: () => <ToolsTab {...editing} collection={collection} /> },
    { value: 'servers', title: 'Servers', content: () => <BindingsTab {...editing} /> },
    { value: 'connect', title: 'Connect', content: () => <ConnectTab collection={collection} /> },
    { value: 'settings', title: 'Settings', content: () => <CollectionSettings {...editing} name={collection.name} /> },
  ];
  const submit = () =>
    save.mutate(
      { organization, name: collection.name, ...savedOf(now), ...(etag !== undefined && { etag }) },
      { onSuccess: () => setDraft(undefined), onError: (error) => sayRefused(changedMeanwhile(error)) },
    );
  return (
    <PageFrame title={collection.name} about={`/${organization}/mcp/${collection.name}`}>
      {draft !== undefined && (
        <Alert color="blue" title="Not saved yet" role="status">
          <Group>
            <Button size="xs" onClick={submit} loading={save.isPending}>
              Save changes
            </Button>
            <Button size="xs" variant="default" onClick={() => setDraft(undefined)}>
              Discard
            </Button>
          </Group>
        </Alert>
      )}
      <PageTabs label="About this collection" tabs={tabs} />
    </PageFrame>
  );
}
