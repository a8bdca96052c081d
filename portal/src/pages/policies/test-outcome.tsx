/** Why: what gives access, and what each set of policies said. */
import { Alert, Anchor, Badge, Group, List, Stack, Text } from '@mantine/core';
import { Link } from 'wouter';
import type { RouteOutput } from '#portal/api/client.ts';
import { Mode } from './policies-page.tsx';
import { answers, type By, byText } from './reasons.ts';

type Result = RouteOutput<'testPolicies'>['results'][number];
type Asked = Result['asked'];

export interface Outcome {
  /** Of the policies alone. */
  readonly decision: 'permit' | 'deny';
  /** Of everything that decides; null: nobody in particular was asked for. */
  readonly final: Result['outcome'];
  readonly asked: Asked;
  readonly warnings: readonly string[];
  readonly endpoint: string;
  /** Of a member: what grants say. */
  readonly access:
    | { readonly isAdmitted: boolean; readonly by: readonly By[]; readonly answer: keyof typeof answers | undefined }
    | undefined;
}

export function TestOutcome({ outcome, organization }: { readonly outcome: Outcome; readonly organization: string }) {
  const { decision, final, asked, access, warnings } = outcome;
  const isKeptOut = access !== undefined && !access.isAdmitted;
  const isAllowed = final ? final.decision === 'permit' : decision === 'permit' && !isKeptOut;
  return (
    <Stack gap="sm" role="status">
      <Alert color={isAllowed ? 'green' : 'red'} title={isAllowed ? 'Allowed' : 'Denied'}>
        <Text size="sm">{sentence(outcome, isKeptOut)}</Text>
      </Alert>
      {access && <Grants access={access} />}
      <Text size="sm" fw={600}>
        Policies that were asked
      </Text>
      {asked.length === 0 && <Text size="sm">None holds for this: grants alone decide.</Text>}
      {asked.map((set) => (
        <Stack key={set.policy} gap={4} className="asked-set">
          <Group gap="xs">
            <Anchor component={Link} href={`/o/${organization}/policies/${encodeURIComponent(set.policy)}`} size="sm">
              {set.policy}
            </Anchor>
            <Text size="xs" c="dimmed">
              version {set.version}
            </Text>
            <Mode mode={set.mode} />
            <Badge color={set.decision === 'permit' ? 'green' : 'red'} variant="light">
              {set.decision === 'permit' ? 'Permits' : 'Denies'}
            </Badge>
          </Group>
          <Text size="sm">{decidedBy(set)}</Text>
          {set.errors.map((error) => (
            <Text key={error} size="sm" className="as-written">
              {error}
            </Text>
          ))}
        </Stack>
      ))}
      {warnings.length > 0 && (
        <List size="sm">
          {warnings.map((warning) => (
            <List.Item key={warning}>{warning}</List.Item>
          ))}
        </List>
      )}
    </Stack>
  );
}

const steps: Readonly<Record<string, string>> = {
  membership: 'They are no member of this organization, or kept out of it.',
  enablement: 'The server is not enabled for this organization.',
  switch: 'The tool is switched off.',
  limit: 'A limit is used up at this moment.',
};

function sentence({ decision, final, asked, endpoint }: Outcome, isKeptOut: boolean): string {
  const said = steps[final?.step ?? ''];
  if (said !== undefined) return said;
  if (isKeptOut) return `Nothing gives this person access to ${endpoint}, so policies are not even asked.`;
  if (decision === 'permit') {
    const would = asked.filter((set) => set.decision === 'deny');
    return would.length === 0
      ? 'Every set that holds permits it.'
      : `It goes through, and is logged: ${would.map(({ policy }) => policy).join(', ')} would refuse it.`;
  }
  const denying = asked.filter((set) => set.decision === 'deny' && set.mode === 'enforce');
  return `Refused by ${denying.map(({ policy }) => policy).join(', ')}.`;
}

function decidedBy({ decision, policies, errors }: Asked[number]): string {
  if (policies.length > 0) return `${decision === 'permit' ? 'Permitted' : 'Forbidden'} by ${policies.join(', ')}.`;
  if (errors.length > 0) return 'It could not be evaluated:';
  return decision === 'deny'
    ? 'Nothing in it permits this, and what nothing permits is refused.'
    : 'Nothing forbids it.';
}

function Grants({ access }: { readonly access: NonNullable<Outcome['access']> }) {
  const { isAdmitted, by, answer } = access;
  return (
    <div>
      <Text size="sm" fw={600}>
        Access
      </Text>
      <Text size="sm">{isAdmitted ? `Given by ${by.map(byText).join('; ')}.` : 'Given by nothing: add a grant.'}</Text>
      {answer !== undefined && answer !== 'allow' && answer !== 'policy' && (
        <Text size="sm">{answers[answer].why}</Text>
      )}
    </div>
  );
}
