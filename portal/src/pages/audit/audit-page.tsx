/** What happened in an organization. */
import { useOrganization } from '#portal/shell/organization.ts';
import { AuditView } from './audit-view.tsx';

export const Page = () => <AuditView organization={useOrganization()} />;
