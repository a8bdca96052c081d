/** One server of an organization: how it is, its tools, who may use it, what it is. */
import '@mantine/core/styles/Spoiler.css';
import { Anchor, Badge, Group, Skeleton } from '@mantine/core';
import { Link, useParams } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { useTagged } from '#portal/api/tagged.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type PageTab, PageTabs } from '#portal/parts/page-tabs.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { AccessTab } from './access-tab.tsx';
import { OverviewTab } from './overview-tab.tsx';
import { SettingsTab } from './settings-tab.tsx';
import { kindName } from './state.tsx';
import { ToolsTab } from './tools-tab.tsx';

export function Page() {
  const organization = useOrganization();
  const { server = '' } = useParams();
  const { isPlatform } = useSession();
  const { data, error, refetch } = useTagged('getOrganizationServer', { organization, server });
  if (error) {
    return (
      <PageFrame title={server}>
        <ErrorPanel error={error} retry={() => void refetch()} />
      </PageFrame>
    );
  }
  if (!data)
    return (
      <PageFrame title={server}>
        <Skeleton h={240} />
      </PageFrame>
    );
  const { item, etag } = data;
  const isRun = ['stdio', 'process', 'container'].includes(item.kind);
  const tabs: readonly PageTab[] = [
    { value: 'overview', title: 'Overview', content: () => <OverviewTab item={item} /> },
    { value: 'tools', title: 'Tools', content: () => <ToolsTab item={item} /> },
    { value: 'access', title: 'Access', content: () => <AccessTab item={item} etag={etag} /> },
    { value: 'settings', title: 'Settings', content: () => <SettingsTab item={item} etag={etag} /> },
  ];
  return (
    <PageFrame
      title={item.title}
      about={
        <Group gap="xs" component="span">
          <Badge color="gray" variant="light" tt="none">
            {item.server}
          </Badge>
          {kindName(item.kind)}, {item.own ? 'of this organization' : 'of the platform'}
        </Group>
      }
      actions={
        <Group gap="md">
          <Anchor component={Link} size="sm" href={`/o/${organization}/audit?server=${encodeURIComponent(server)}`}>
            Its calls in the audit log
          </Anchor>
          {isPlatform && isRun && (
            <Anchor component={Link} size="sm" href={`/runs/${server}`}>
              Processes and logs
            </Anchor>
          )}
          {isPlatform && !item.own && !isRun && (
            <Anchor component={Link} size="sm" href={`/servers/${server}`}>
              On the platform
            </Anchor>
          )}
        </Group>
      }
    >
      <PageTabs label="About this server" tabs={tabs} />
    </PageFrame>
  );
}
