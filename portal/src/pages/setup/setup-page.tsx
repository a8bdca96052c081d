/** The first run: an organization, its first server, and a client that reaches it. Where one is, is in the address. */
import '#portal/styles-later.ts';
import { Anchor, Stack, Stepper, Text } from '@mantine/core';
import { Link } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { ConnectStep } from './connect-step.tsx';
import { OrganizationStep } from './organization-step.tsx';
import { ServerStep } from './server-step.tsx';

export function Page() {
  const { organizations, gateway } = useSession();
  const [organization, setOrganization] = useUrlState('organization');
  const [isServed, setServed] = useUrlState('served');
  const demo = organizations.find(({ slug }) => slug === 'demo');
  const active = organization === '' ? 0 : isServed === '' ? 1 : 2;
  return (
    <PageFrame
      title="Welcome to Gatehouse"
      about="Three steps: an organization, its first server, and your client. Everything can be changed later."
    >
      <Stack maw={760}>
        {demo && organization === '' && (
          <Text size="sm">
            There is a demo with servers and tools to look around in:{' '}
            <Anchor component={Link} href={`/o/${demo.slug}/overview`}>
              open {demo.name}
            </Anchor>
            . {gateway.isDemo && 'What you make here is kept in its data directory.'}
          </Text>
        )}
        <Stepper active={active} size="sm" allowNextStepsSelect={false} aria-label="Steps">
          <Stepper.Step label="Organization" description="Who uses it">
            <OrganizationStep onDone={setOrganization} />
          </Stepper.Step>
          <Stepper.Step label="First server" description="What is used">
            <ServerStep organization={organization} onDone={() => setServed('1')} />
          </Stepper.Step>
          <Stepper.Step label="Your client" description="How it is used">
            <ConnectStep organization={organization} />
          </Stepper.Step>
        </Stepper>
      </Stack>
    </PageFrame>
  );
}
