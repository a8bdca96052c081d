import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '#config/load.ts';

const guide = readFileSync('docs/guide/entra.md', 'utf8');
const section = (title: string) => guide.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, block = '']) => block);

test('the registration at Entra: loopback redirect URIs, permissions, groups claim [S2.7] [S2.8]', () => {
  const text = section('Register the application (bridge)');
  for (const part of [
    'http://127.0.0.1/mcp/oauth/callback',
    'http://localhost/mcp/oauth/callback',
    'ignores the port',
  ]) {
    expect(text).toContain(part);
  }
  for (const name of ['email', 'offline_access', 'openid', 'profile', 'User.Read'])
    expect(text).toContain(`\`${name}\``);
  expect(text).toMatch(/Grant admin consent[\s\S]*groups claim[\s\S]*GroupMember\.Read\.All/);
});

test('clients are configured as printed: OpenCode and Claude Code [S2.11]', () => {
  const [opencode = '', claude = ''] = blocks(section('Configure clients'), 'json');
  expect(JSON.parse(opencode)).toMatchObject({ mcp: { 'my-gateway': { type: 'remote' } } });
  expect(JSON.parse(claude)).toMatchObject({ mcpServers: { 'my-gateway': { type: 'url' } } });
  expect(section('Configure clients')).toContain('opencode mcp auth my-gateway');
});

test('what it needs is named [S2.33]', () => {
  expect(section('What you need')).toMatch(
    /RHEL 8 or 9[\s\S]*Ubuntu 20\.04[\s\S]*Podman[\s\S]*TLS certificate[\s\S]*app registration/,
  );
});

test('the known troubles and the commands to look into them are there [S2.34] [S2.35]', () => {
  const troubles = section('When something fails');
  const known = ['404', 'Invalid or expired state', 'AADSTS9010010', 'signature failure', "administrator's approval"];
  for (const trouble of known) expect(troubles).toContain(trouble);
  const [commands = ''] = blocks(section('See that it works'), 'bash');
  for (const path of ['/health', '/.well-known/oauth-protected-resource', '/.well-known/oauth-authorization-server']) {
    expect(commands).toContain(`curl https://mcp.example.com${path}\n`);
  }
  const body = JSON.parse(/-d '(.+)'/.exec(commands)?.[1] ?? '');
  expect(body).toMatchObject({ method: 'initialize', params: { protocolVersion: '2024-11-05' } });
});

test('every configuration in the guide loads, the .env in bridge mode', () => {
  const [dotenv = ''] = blocks(section('Run the bridge'), 'bash');
  const key = 'a-root-secret-of-the-guide-that-is-long-enough-1';
  const load = (yaml: string, env: string) =>
    loadConfig({
      env: { ENTRA_CLIENT_SECRET: 'a-secret' },
      cwd: '/nowhere',
      readFile: (path) => (path.endsWith('.env') ? env.replace('ENCRYPTION_KEY=…', `ENCRYPTION_KEY=${key}`) : yaml),
    });
  const [organizations = '', mapping = ''] = blocks(section('Run the bridge'), 'yaml');
  for (const yaml of [organizations, mapping]) {
    expect(load(yaml, dotenv).identity.map((entry) => entry.read())).toMatchObject([{ kind: 'entra', mode: 'bridge' }]);
  }
  expect(load(organizations, dotenv).egress.httpsProxy).toBe('http://proxy.corp.example:3128');
  for (const [title, mode] of [
    ['Broker', 'broker'],
    ['Direct', 'direct'],
  ] as const) {
    const [yaml = ''] = blocks(section(title), 'yaml');
    expect(parse(yaml)).toMatchObject({ identity: [{ kind: 'entra', mode }] });
    expect(load(yaml, `ENCRYPTION_KEY=${key}`).identity.map((entry) => entry.read())).toMatchObject([
      { kind: 'entra', mode },
    ]);
  }
});

test('the two variables are required together, and a domain or "common" is no directory', () => {
  const load = (env: Readonly<Record<string, string>>) => () =>
    loadConfig({ env, cwd: '/', readFile: () => undefined });
  const tenant = '8f1c0c4e-3b6c-4f0e-9d1b-2f6f1d3c5a7b';
  expect(load({ ENTRA_TENANT_ID: tenant })).toThrow('ENTRA_CLIENT_ID environment variable is required');
  expect(load({ ENTRA_CLIENT_ID: 'c' })).toThrow('ENTRA_TENANT_ID environment variable is required');
  for (const wrong of ['common', 'contoso.onmicrosoft.com']) {
    expect(load({ ENTRA_TENANT_ID: wrong, ENTRA_CLIENT_ID: 'c' })).toThrow(/must be the id of a directory/);
  }
});
