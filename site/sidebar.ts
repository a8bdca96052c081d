/** What is in the navigation, in its order; a page that is in no group is refused by `npm run site`. */
export const base = '/';

interface Group {
  readonly label: string;
  readonly collapsed?: boolean;
  readonly items: (string | { readonly autogenerate: { readonly directory: string } })[];
}

const guide = (label: string, ...names: readonly string[]): Group => ({
  label,
  items: names.map((name) => `guide/${name}`),
});

export const sidebar: Group[] = [
  guide('Start', 'getting-started', 'connect-a-client', 'portal', 'command-line', 'troubleshooting'),
  guide('People', 'sign-in', 'entra', 'people-and-groups', 'provisioning', 'clients', 'programs', 'api-keys'),
  guide('Servers', 'catalog', 'servers', 'openapi', 'run', 'running-servers', 'containers', 'bridge', 'health'),
  guide('Tools', 'tools', 'eras', 'transports', 'rest', 'hosts'),
  guide('Rights', 'policies', 'limits', 'credentials', 'connected-accounts', 'secrets', 'security-review', 'audit'),
  guide('Operation', 'deploy', 'operations', 'configuration-as-code', 'telemetry', 'forward-authentication'),
  guide(
    'Coming from elsewhere',
    ...['coming-over', 'older-gateways', 'ragie-workos', 'from-clerk', 'from-github-oauth', 'differences'],
  ),
  { label: 'Reference', items: [{ autogenerate: { directory: 'reference' } }] },
  { label: 'Decisions', collapsed: true, items: [{ autogenerate: { directory: 'decisions' } }] },
];
