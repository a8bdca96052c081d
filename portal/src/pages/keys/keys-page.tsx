/** API Keys: what is sent to servers for a group, and what callers present to this gateway. */
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { PageTabs } from '#portal/parts/page-tabs.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { CallerKeysTab } from './caller-keys-tab.tsx';
import { ServerKeysTab } from './server-keys-tab.tsx';

const tabs = [
  {
    ...{ value: 'servers', title: 'Keys for servers', permission: 'admin:credentials:read' },
    content: () => <ServerKeysTab />,
  },
  {
    ...{ value: 'callers', title: 'Keys for callers', permission: 'admin:keys:read' },
    content: () => <CallerKeysTab />,
  },
];

export function Page() {
  const session = useSession();
  const organization = useOrganization();
  return (
    <PageFrame
      title="API Keys"
      about="Keys for servers go out with calls and nobody sees them again. Keys for callers let programs in."
    >
      <PageTabs label="API Keys" tabs={tabs.filter(({ permission }) => isAllowed(session, permission, organization))} />
    </PageFrame>
  );
}
