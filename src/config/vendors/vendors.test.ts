// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of the file format
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import type { Env } from '#config/environment.ts';
import { loadConfig } from '#config/load.ts';

const key = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
const database = 'postgresql://postgres:postgres@localhost:5432/gatehouse';
const load = (env: Env, source?: string) =>
  loadConfig({ env, cwd: '/w', readFile: (path) => (path === '/w/gatehouse.yaml' ? source : undefined) });
const entries = (env: Env, source?: string) => load(env, source).identity.map((entry) => entry.read());
const refusal = (env: Env) => {
  try {
    load(env);
    return 'accepted';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
};

const github = { GITHUB_CLIENT_ID: 'Iv1.abc', GITHUB_CLIENT_SECRET: 'a1b2c3', ALLOWED_GITHUB_USERS: 'octocat, hubot' };
const webui = { WEBUI_SECRET_KEY: 'dW1pLW5vdC1hLXBsYWNlaG9sZGVyLWtleQ' };

test('GitHub by its three variables signs people in [S1.14] [S1.45]', () => {
  expect(entries({ ENCRYPTION_KEY: key, ...github })).toMatchObject([
    {
      kind: 'github',
      clientId: 'Iv1.abc',
      clientSecret: 'a1b2c3',
      allowedUsers: ['octocat', 'hubot'],
      baseUrl: 'https://github.com',
    },
  ]);
  const everybody = entries({ ENCRYPTION_KEY: key, ...github, ALLOWED_GITHUB_USERS: '*' });
  expect(everybody).toMatchObject([{ allowedUsers: ['*'] }]);
  const enterprise = { ...github, ENCRYPTION_KEY: key, GITHUB_BASE_URL: 'https://github.acme.test' };
  expect(entries(enterprise)).toMatchObject([{ baseUrl: 'https://github.acme.test' }]);
});

test('a GitHub variable alone, or a list that admits nobody, stops the start [S1.45] [X1.3] [B15]', () => {
  for (const name of Object.keys(github)) {
    for (const missing of [undefined, '']) {
      const env = { ENCRYPTION_KEY: key, ...github, [name]: missing };
      expect(refusal(env)).toBe(`${name} environment variable is required`);
    }
  }
  for (const users of [',', ' , ,', ' ']) {
    expect(refusal({ ENCRYPTION_KEY: key, ...github, ALLOWED_GITHUB_USERS: users })).toContain('admits nobody');
  }
  expect(refusal({ ENCRYPTION_KEY: key, ...github, ALLOWED_GITHUB_USERS: 'a b' })).toContain(
    'ALLOWED_GITHUB_USERS is wrong',
  );
  expect(refusal({ ENCRYPTION_KEY: key, ...github, GITHUB_BASE_URL: 'github' })).toContain('GITHUB_BASE_URL is wrong');
});

test('Open WebUI by its one variable is an identity provider [S3.3]', () => {
  expect(entries({ ENCRYPTION_KEY: key, ...webui })).toMatchObject([{ kind: 'shared-secret', preset: 'open-webui' }]);
  expect(refusal({ ENCRYPTION_KEY: key, WEBUI_SECRET_KEY: 't0p-s3cr3t' })).toContain('at least 32 characters');
});

test('their people belong to the one organization of the file, to one made for them, or to none of several', () => {
  const env = { ENCRYPTION_KEY: key, ...github, ...webui };
  const bound = (source?: string) => {
    const config = load(env, source);
    const members = config.identity.map((entry) => {
      const settings: object = entry.read();
      return 'organization' in settings ? settings.organization : undefined;
    });
    return { slugs: config.organizations.map(({ slug }) => slug), members };
  };
  expect(bound()).toEqual({ slugs: ['default'], members: ['default', 'default'] });
  const acme = '{ slug: acme, name: Acme }';
  expect(bound(`organizations: [${acme}]`)).toEqual({ slugs: ['acme'], members: ['acme', 'acme'] });
  const two = bound(`organizations: [${acme}, { slug: other, name: Other }]`);
  expect(two).toEqual({ slugs: ['acme', 'other'], members: [undefined, undefined] });
  expect(bound('organizations: []')).toEqual({ slugs: [], members: [undefined, undefined] });
});

test('any identity provider in the variables means: not the demo', () => {
  expect(load({}).demo).toBe(true);
  for (const env of [github, webui]) {
    expect(load({ ENCRYPTION_KEY: key, ...env }).demo).toBe(false);
    expect(refusal(env)).toContain('ENCRYPTION_KEY environment variable is required');
  }
});

test('an entry in the file counts instead of the variables, which it may refer to', () => {
  const source = `identity: [{ kind: github, clientId: x, clientSecret: '\${GITHUB_CLIENT_SECRET}', allowedTeams: [acme/dev] }]`;
  const read = entries({ ENCRYPTION_KEY: key, ...github }, source);
  expect(read).toMatchObject([{ kind: 'github', clientId: 'x', clientSecret: 'a1b2c3' }]);
  expect(read[0]).not.toHaveProperty('allowedUsers');
});

test('GATEWAY_JWT_SECRET is the key where no other is set [S1.45]', () => {
  expect(load({ GATEWAY_JWT_SECRET: key }).secrets.encryptionKey?.reveal()).toBe(key);
  const both = load({ GATEWAY_JWT_SECRET: `${key}x`, ENCRYPTION_KEY: key });
  expect(both.secrets.encryptionKey?.reveal()).toBe(key);
  expect(refusal({ GATEWAY_JWT_SECRET: 'short' })).toContain('at least 32 characters');
});

test("the Entra gateway's .env is read as its shell read it, and what means nothing any more is named [S2.37]", () => {
  const dotenv = `# Entra ID
ENTRA_TENANT_ID="8f1c0c4e-3b6c-4f0e-9d1b-2f6f1d3c5a7b"   # directory
export ENTRA_CLIENT_ID='2c9d7c52-0c1f-4a44-8a55-6d2f0a1b3c4d'
ENCRYPTION_KEY=${key}#no comment
DATA_DIR="$HOME/gateway data" # ours
GATEWAY_DOMAIN=mcp.example.com
TLS_CERT_PATH=$HOME/tls/cert.pem
TLS_KEY_PATH=\${HOME}/tls/key.pem

HTTPS_PROXY=http://proxy.corp.example:3128
NO_PROXY="localhost,127.0.0.1"
MCP_PORT_GITHUB=9100
`;
  const config = loadConfig({
    env: { HOME: '/home/ops' },
    cwd: '/w',
    readFile: (path) => (path === '/w/.env' ? dotenv : undefined),
  });
  expect(config.identity.map((entry) => entry.read())).toMatchObject([
    {
      mode: 'bridge',
      tenantId: '8f1c0c4e-3b6c-4f0e-9d1b-2f6f1d3c5a7b',
      clientId: '2c9d7c52-0c1f-4a44-8a55-6d2f0a1b3c4d',
    },
  ]);
  expect(config.secrets.encryptionKey?.reveal()).toBe(`${key}#no comment`);
  expect(config.dataDir).toBe('/home/ops/gateway data');
  expect(config.egress).toMatchObject({
    httpsProxy: 'http://proxy.corp.example:3128',
    noProxy: ['localhost', '127.0.0.1'],
  });
  expect(config.serverPorts).toEqual({ github: 9100 });
  expect(config.http.tls).toEqual({ certFile: '/home/ops/tls/cert.pem', keyFile: '/home/ops/tls/key.pem' });
  expect(config.warnings.map((line) => line.split(' ')[0])).toEqual(['GATEWAY_DOMAIN']);
});

test('a setting that would have to be guessed is refused by name [S1.45]', () => {
  const base = { ENCRYPTION_KEY: key, ...github };
  const wrong = {
    JWT_ALGORITHM: 'HS256',
    ACCESS_TOKEN_LIFETIME: '1h',
    REFRESH_TOKEN_LIFETIME: '-1',
    CLIENT_LIFETIME: 'never',
    SESSION_TIMEOUT: '3600',
    MCP_CORS_ORIGINS: 'https://app.example/path',
    REDIS_URL: 'localhost:6379',
    BASE_DOMAIN: 'https://example.com',
  };
  for (const [name, value] of Object.entries(wrong)) {
    const said = refusal({ ...base, [name]: value });
    expect([name, said], said).toEqual([name, expect.stringMatching(new RegExp(`\\b${name}\\b`))]);
  }
  expect(load({ ...base, CLIENT_LIFETIME: '0' }).oauth.clientSeconds).toBe(0);
  expect(load({ ...base, SESSION_TIMEOUT: '3600s' }).limits.sessionTtlSeconds).toBe(3600);
});

test('placeholders from examples stop production', () => {
  const production = { NODE_ENV: 'production', ENCRYPTION_KEY: key, DATABASE_URL: database };
  expect(refusal({ ...production, ...github, GITHUB_CLIENT_SECRET: 'your_github_secret' })).toContain('placeholder');
  const example = 'change-me-to-something-longer-than-32';
  expect(refusal({ ...production, WEBUI_SECRET_KEY: example })).toContain('placeholder');
  expect(load({ ...production, ...github, ...webui }).identity).toHaveLength(2);
});

test('no secret of an identity provider is printed with the configuration [I1]', () => {
  const printed = inspect(load({ ENCRYPTION_KEY: key, ...github, ...webui }), { depth: 20, showHidden: true });
  for (const secret of [key, github.GITHUB_CLIENT_SECRET, webui.WEBUI_SECRET_KEY])
    expect(printed).not.toContain(secret);
});
