/** What is set for the whole organization. */
import { Divider, Stack, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { AuditContent } from './audit-content.tsx';
import { DangerZone } from './danger-zone.tsx';
import { General } from './general.tsx';
import { Limits } from './limits.tsx';

export function Page() {
  const session = useSession();
  const organization = useOrganization();
  const may = (permission: string) => isAllowed(session, permission, organization);
  return (
    <PageFrame title="Settings" about="What holds for everybody in this organization.">
      <Stack gap="xl">
        {may('admin:organizations:read') && (
          <Section title="General">
            <General />
          </Section>
        )}
        {may('admin:limits:read') && (
          <Section title="Limits">
            <Limits />
          </Section>
        )}
        {may('admin:audit:read') && (
          <Section title="Audit log">
            <AuditContent />
          </Section>
        )}
        {session.isPlatform && (
          <Section title="Danger zone">
            <DangerZone />
          </Section>
        )}
      </Stack>
    </PageFrame>
  );
}

const Section = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <section>
    <Title order={2} size="h4">
      {title}
    </Title>
    <Divider my="xs" />
    {children}
  </section>
);
