/** What operators are told, against what there is. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { namedServers, variableOf } from '#admin/named-servers.ts';
import { requiredNames } from './compose-file.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const guide = read('docs/guide/deploy.md');
const section = (title: string) => {
  const [, text = ''] = guide.split(`\n${title}\n`);
  return text.split(/\n## /)[0] ?? '';
};

test('every file and recipe that the guide names is there', () => {
  const files = [...guide.matchAll(/(?:^|[\s`])((?:deploy\/|docker-compose)[\w./-]*\w)/gm)].flatMap(
    ([, path]) => path ?? [],
  );
  const made = /generated|rendered|certs/;
  expect(files.filter((path) => !made.test(path) && !existsSync(path) && globSync(path).length === 0)).toEqual([]);
  const recipes = read('justfile');
  for (const [, name = ''] of guide.matchAll(/\bjust ([a-z]+(?:-[a-z]+)*)\b(?!=)/g)) {
    if (name === 'compose') continue;
    expect(recipes, name).toMatch(new RegExp(`^${name}[ :]`, 'm'));
  }
});

test('every way has a section, and every variable that a compose file insists on is in the example of settings', () => {
  for (const way of [
    'Alone',
    'With Caddy',
    'With Traefik',
    'With Open WebUI',
    'Three replicas',
    'Kubernetes',
    'systemd',
  ])
    expect(guide).toContain(`\n## ${way}\n`);
  const example = read('.env.example');
  const needed = globSync(['docker-compose*.yml', 'deploy/**/*.yml']).flatMap((path) => requiredNames(read(path)));
  const older = new Set(['GATEWAY_JWT_SECRET']);
  for (const name of new Set(needed)) if (!older.has(name)) expect(example).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
});

test('edge configuration, example settings and the documents are there [S3.30]', () => {
  expect(existsSync('deploy/caddy/Caddyfile.open-webui')).toBe(true);
  expect(read('.env.example')).toMatch(/WEBUI_SECRET_KEY=/);
  // What was a roadmap, the portal's architecture and a requirements paper is what holds now.
  for (const page of [
    'docs/guide/portal.md',
    'ARCHITECTURE.md',
    'docs/decisions/0024-the-portal-is-a-session-of-ours.md',
  ])
    expect(read(page).length).toBeGreaterThan(500);
});

test('the runbook says how to deploy, read logs, restart and rebuild one part, and what to do about the known faults [S3.31]', () => {
  const runbook = section('## With Open WebUI');
  for (const part of [
    /scp -r/,
    /logs -f api-gateway/,
    /restart api-gateway/,
    /up -d --build api-gateway/,
    /psql -U openwebui -d openwebui/,
    /proxy-server_backend/,
    /502 at every path/,
    /No users found/,
    /429/,
  ])
    expect(runbook).toMatch(part);
});

test('machine and software that it takes are named [S3.32]', () => {
  const needs = section('## What it needs');
  for (const part of [
    /Ubuntu 22\.04/,
    /Debian 11/,
    /Compose 2/,
    /4 GB \(better 8\)/,
    /80 and 443, or a tunnel/,
    /PostgreSQL 15/,
  ])
    expect(needs).toMatch(part);
});

test('the licence lets anybody run it, inside a company too [S3.34]', () => {
  expect(read('LICENSE')).toMatch(/^MIT License/);
  expect(read('LICENSE')).toContain('without restriction');
});

test('a guide to deployment and one for security auditors belong together [S4.17]', () => {
  expect(section('## Before people come')).toContain('security-review.md');
  expect(read('docs/guide/security-review.md').length).toBeGreaterThan(2000);
});

test('what was never run is said', () => {
  const [tried = '', never = ''] = read('docs/reference/deployments.md').split('Never run:');
  expect(tried).toContain('npm run topology');
  for (const part of ['docker compose up', 'Dockerfile', 'ACME', 'cluster', 'release workflow'])
    expect(never).toContain(part);
});

test('each server that comes along has a page: switch, revision, version, tools; recipes and API are written down [S1.50]', () => {
  for (const { name, protocolVersion, program, builtin } of namedServers) {
    const page = read(`docs/reference/servers/${name}.md`);
    expect(page).toContain(`# ${name}\n`);
    expect(page).toContain(`| switch | \`MCP_${variableOf(name)}_ENABLED=true\` |`);
    expect(page).toContain(`| revision | ${protocolVersion} |`);
    if (program && program.from !== 'gatehouse') expect(page).toContain(`\`${program.name}\` ${program.version}`);
    if (builtin === undefined) expect(page).toContain(`deploy/traefik/servers/${name}.yml`);
    expect(page.split('\n## Tools\n')[1]).toMatch(/^\n\| tools/);
    expect(read('docs/guide/servers.md')).toContain(`../reference/servers/${name}.md`);
  }
  expect(read('ARCHITECTURE.md')).toContain('## The way of a request');
  expect(read('docs/reference/admin-api.md').length).toBeGreaterThan(5000);
  expect(section('## Recipes')).toContain('`just` lists them');
});
