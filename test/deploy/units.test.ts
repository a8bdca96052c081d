/** Templates and scripts for a machine without containers (REQUIREMENTS S2.30 to S2.32). */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '#config/load.ts';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { findInstalled } from '#kit/installed.ts';

const setup = resolve('deploy/setup.sh');
const install = resolve('deploy/install-services.sh');
const verify = findInstalled('systemd-analyze', '--version');
const caddy = findInstalled('caddy', 'version');
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-units-'));
const inside = (name: string) => join(folder, name);
const key = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';

beforeAll(() => {
  const pair = createSelfSigned(['mcp.example.com']);
  writeFileSync(inside('cert.pem'), pair.cert);
  writeFileSync(inside('key.pem'), pair.key, { mode: 0o600 });
  writeFileSync(
    inside('env'),
    [
      'export GATEWAY_DOMAIN=mcp.example.com   # as people see it',
      `ENCRYPTION_KEY='${key}"$HOME'`,
      'ENTRA_TENANT_ID="8c6a3a54-0000-4000-8000-000000000000"',
      'ENTRA_CLIENT_ID=9c6a3a54-0000-4000-8000-000000000000',
      `TLS_CERT_PATH="${folder}/cert.pem"`,
      `TLS_KEY_PATH=${folder}/key.pem`,
      'HTTPS_PROXY=http://proxy.corp.example:3128',
      'NO_PROXY="localhost,127.0.0.1"',
      'MCP_PORT_GITHUB=9100',
      '',
    ].join('\n'),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function render(...options: readonly string[]): (name: string) => string {
  const env = { PATH: process.env.PATH ?? '', HOME: folder, GATEHOUSE_COMMAND: '/bin/true' };
  execFileSync(setup, [...options, '--env', 'env', '--out', 'out'], { cwd: folder, env, stdio: 'pipe' });
  return (name) => readFileSync(join(folder, 'out', name), 'utf8');
}

/** As systemd reads an EnvironmentFile: quotes and backslashes. */
function environmentFile(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.includes('='));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      const value = line.slice(at + 1);
      return [line.slice(0, at), /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(["$`\\])/g, '$1') : value];
    }),
  );
}

const load = (text: string) =>
  loadConfig({
    env: environmentFile(text),
    cwd: folder,
    readFile: (path) => (/\.pem$/.test(path) ? 'pem' : undefined),
  });

describe('one unit does what three did', () => {
  test.each([['--user'], ['--system']])(
    'rendered with %s it has its settings, and no template is left [S2.30] [S2.31]',
    (scope) => {
      const file = render(scope);
      expect(readdirSync(inside('out')).sort()).toEqual(['gatehouse.env', 'gatehouse.service', 'tls.paths']);
      expect(file('gatehouse.service')).not.toMatch(/@[A-Z_]+@/);
      expect(file('gatehouse.service')).toMatch(scope === '--user' ? /WantedBy=default\.target/ : /User=gatehouse/);
      expect(statSync(join(folder, 'out/gatehouse.env')).mode & 0o777).toBe(0o600);
      const env = environmentFile(file('gatehouse.env'));
      expect(env).toMatchObject({ BASE_URL: 'https://mcp.example.com', ENCRYPTION_KEY: `${key}"$HOME`, PORT: '443' });
      const config = load(file('gatehouse.env'));
      expect([config.http.host, config.http.port, config.egress.httpsProxy]).toEqual([
        ...['0.0.0.0', 443, 'http://proxy.corp.example:3128'],
      ]);
      expect(config.warnings).toEqual([]);
    },
  );

  test('with Caddy in front it listens on loopback only, and believes nobody else [S2.31] [S2.32]', () => {
    const file = render('--system', '--caddy');
    const { http } = load(file('gatehouse.env'));
    expect([http.host, http.port, http.trustedProxies]).toEqual(['127.0.0.1', 3000, ['127.0.0.1']]);
    expect(file('gatehouse.env')).not.toMatch(/^TLS_/m);
    expect(file('Caddyfile')).toContain(`tls ${folder}/cert.pem ${folder}/key.pem`);
    expect(file('Caddyfile')).toContain('reverse_proxy 127.0.0.1:3000');
    expect(file('caddy-mcp.service')).toContain('caddy run --environ --config /etc/gatehouse/Caddyfile');
  });

  test('a key that others can read is refused, and so is an incomplete .env [S2.32]', () => {
    const refused = (change: () => void, ...options: readonly string[]) => {
      change();
      const env = { PATH: process.env.PATH ?? '', HOME: folder };
      return spawnSync(setup, [...options, '--out', 'out'], { cwd: folder, env, encoding: 'utf8' }).stderr;
    };
    expect(refused(() => chmodSync(inside('key.pem'), 0o644), '--env', 'env')).toMatch(/open to others.*chmod 600/);
    chmodSync(inside('key.pem'), 0o600);
    const bare = () => writeFileSync(inside('bare'), `ENCRYPTION_KEY=${key}\n`);
    expect(refused(bare, '--env', 'bare')).toMatch(/GATEWAY_DOMAIN is required/);
    expect(refused(() => undefined, '--env', 'nowhere')).toMatch(/copy \.env\.example/);
  });

  test.skipIf(verify === undefined)('systemd finds nothing wrong with the units (skipped without systemd)', () => {
    for (const scope of ['--user', '--system']) {
      render(scope);
      const { stderr } = spawnSync(verify ?? '', ['verify', join(folder, 'out/gatehouse.service')], {
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
    }
  });

  test.skipIf(caddy === undefined)('Caddy accepts the rendered Caddyfile (skipped without caddy)', () => {
    render('--system', '--caddy');
    const args = ['adapt', '--adapter', 'caddyfile', '--config', join(folder, 'out/Caddyfile')];
    execFileSync(caddy ?? '', args, { env: { PATH: process.env.PATH, HOME: folder }, stdio: 'pipe' });
  });

  test('the installer says what it would do, with private files for the unit alone [S2.30] [S2.31]', () => {
    render('--system', '--caddy');
    const dry = (...options: readonly string[]) =>
      execFileSync(install, [...options, '--from', 'out', '--dry-run'], {
        cwd: folder,
        env: { PATH: process.env.PATH ?? '', HOME: folder },
        encoding: 'utf8',
      });
    const system = dry('--system');
    expect(system).toContain(
      'install -o gatehouse -g gatehouse -m 600 out/gatehouse.env /var/lib/gatehouse/gatehouse.env',
    );
    expect(system).toContain('systemctl enable --now gatehouse caddy-mcp');
    render('--user');
    const user = dry('--user');
    expect(user).toContain(`install -m 644 out/gatehouse.service ${folder}/.config/systemd/user/gatehouse.service`);
    expect(user).toContain('systemctl --user enable --now gatehouse');
  });
});
