/** Who is in the organization: people, groups, programs, and where they come from. */
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { PageTabs } from '#portal/parts/page-tabs.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { DirectoryTab } from './directory-tab.tsx';
import { GroupsTab } from './groups-tab.tsx';
import { MembersTab } from './members-tab.tsx';
import { ServiceAccountsTab } from './service-accounts-tab.tsx';

const tabs = [
  { value: 'users', title: 'Users', permission: 'admin:members:read', content: () => <MembersTab /> },
  { value: 'groups', title: 'Groups', permission: 'admin:groups:read', content: () => <GroupsTab /> },
  {
    ...{ value: 'programs', title: 'Service accounts', permission: 'admin:serviceaccounts:read' },
    content: () => <ServiceAccountsTab />,
  },
  { value: 'directory', title: 'Directory (SCIM)', permission: 'admin:groups:read', content: () => <DirectoryTab /> },
];

export function Page() {
  const session = useSession();
  const organization = useOrganization();
  return (
    <PageFrame
      title="Users & Groups"
      about="People get tools by the groups they are in. Somebody in no group can sign in and sees nothing."
    >
      <PageTabs
        label="Users & Groups"
        tabs={tabs.filter(({ permission }) => isAllowed(session, permission, organization))}
      />
    </PageFrame>
  );
}
