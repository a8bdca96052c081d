import { expect, test } from 'vitest';
import { loadConfig } from '#config/load.ts';

const base = { DATABASE_URL: 'postgresql://localhost/gatehouse', ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' };
const keys = { CLERK_SECRET_KEY: 'sk_test_4f0b', CLERK_PUBLISHABLE_KEY: 'pk_test_Y2xlcmsuZXhhbXBsZS5jb20k' };
const load = (env: Readonly<Record<string, string>>, file?: string) =>
  loadConfig({
    env: { ...base, ...env },
    cwd: '/w',
    readFile: (path) => (path === '/w/gatehouse.yaml' ? file : undefined),
  });

test('Clerk by its two variables is an identity provider in direct mode [S4.6]', () => {
  const [entry, ...others] = load({ ...keys, CLERK_API_URL: 'http://127.0.0.1:4010' }).identity;
  expect(others).toEqual([]);
  expect(entry?.read()).toMatchObject({
    kind: 'clerk',
    secretKey: 'sk_test_4f0b',
    publishableKey: keys.CLERK_PUBLISHABLE_KEY,
    apiUrl: 'http://127.0.0.1:4010',
  });
});

test('one of them without the other is named [S4.6]', () => {
  const { CLERK_SECRET_KEY, CLERK_PUBLISHABLE_KEY } = keys;
  expect(() => load({ CLERK_PUBLISHABLE_KEY })).toThrow('CLERK_SECRET_KEY environment variable is required');
  expect(() => load({ CLERK_SECRET_KEY })).toThrow('CLERK_PUBLISHABLE_KEY environment variable is required');
});

test('a publishable key that is none, and a placeholder in production, are refused without showing them', () => {
  expect(() => load({ ...keys, CLERK_PUBLISHABLE_KEY: 'pk_test_nonsense' })).toThrow(/publishable key of Clerk/);
  const production = { NODE_ENV: 'production', BASE_URL: 'https://mcp.example.com', CLERK_SECRET_KEY: 'changeme' };
  expect(() => load({ ...keys, ...production })).toThrow(/CLERK_SECRET_KEY is a placeholder/);
});

test('an entry in the file counts instead, its keys as references only', () => {
  const file = (key: string) =>
    `identity:\n  - { kind: clerk, secretKey: '${key}', frontendApi: 'https://clerk.example.com', authorizedParties: ['https://app.example.com'] }\n`;
  expect(load(keys, file(`\${CLERK_SECRET_KEY}`)).identity).toHaveLength(1);
  expect(() => load(keys, file('sk_live_0123456789'))).toThrow(/is a secret/);
});
