/** What happened in all organizations, and outside of any. */
import { AuditView } from './audit-view.tsx';

export const Page = () => <AuditView organization={undefined} />;
