import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const read = (path: string) => readFileSync(path, 'utf8');

/** [instruction, text] of a Dockerfile, continued lines joined, comments gone. */
const dockerfile = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
const lastStage = dockerfile.slice(dockerfile.findLastIndex(([instruction]) => instruction === 'FROM'));
const texts = (instruction: string) => lastStage.filter(([name]) => name === instruction).map(([, text]) => text);

const healthUrl = '/.well-known/oauth-protected-resource';

test('the image is built in stages and runs unprivileged, on port 3000, with a health check [S0.37]', () => {
  expect(dockerfile.filter(([name]) => name === 'FROM').length).toBeGreaterThan(1);
  expect(texts('USER')).toEqual(['1001']);
  expect(texts('RUN').join()).toMatch(/useradd --uid 1001/);
  expect(texts('RUN').join()).toMatch(/apt-get install .*\bcurl\b/);
  expect(texts('EXPOSE')).toEqual(['3000']);
  expect(texts('ENV').join(' ').split(' ')).toEqual(expect.arrayContaining(['NODE_ENV=production', 'HOST=0.0.0.0']));
  const [health = ''] = texts('HEALTHCHECK');
  for (const part of ['--interval=30s', '--timeout=3s', '--start-period=5s', '--retries=3', 'curl -f', healthUrl]) {
    expect(health).toContain(part);
  }
});

test('the user is set after everything that needs root, and the start needs no shell', () => {
  const order = lastStage.map(([instruction]) => instruction);
  expect(order.lastIndexOf('RUN')).toBeLessThan(order.indexOf('USER'));
  expect(JSON.parse(texts('ENTRYPOINT')[0] ?? '')).toEqual(['node', 'bin/gatehouse.mjs']);
  expect(JSON.parse(texts('CMD')[0] ?? '')).toEqual(['serve']);
});

test('secrets, data and installed packages stay out of the image', () => {
  expect(read('.dockerignore').split('\n')).toEqual(
    expect.arrayContaining(['.env', 'data', '.git', '**/node_modules']),
  );
});

test('the compose file runs one container with defaults, restart rule and health check [S0.39]', () => {
  const { services } = parse(read('docker-compose.yml'));
  expect(Object.keys(services)).toEqual(['mcp-gateway']);
  const gateway = services['mcp-gateway'];
  expect(gateway.container_name).toBe('mcp-gateway');
  expect(gateway.restart).toBe('unless-stopped');
  expect(gateway.environment.join('\n')).toMatch(/^BASE_URL=\$\{BASE_URL:-http:\/\/localhost:3000\}$/m);
  const names = gateway.environment.map((line: string) => line.split('=')[0]);
  expect(names).toEqual(expect.arrayContaining(documentedVariables()));
  expect(gateway.healthcheck).toEqual({
    test: `curl -f http://localhost:3000${healthUrl} || curl -f http://localhost:3000/health || exit 1`,
    interval: '30s',
    timeout: '3s',
    start_period: '5s',
    retries: 3,
  });
});

function documentedVariables(): string[] {
  return [...read('.env.example').matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1] ?? '');
}

test('a version tag publishes the image under three tags, and the package [S0.40]', () => {
  const release = parse(read('.github/workflows/release.yml'));
  expect(release.on.push.tags).toEqual(['v*.*.*']);
  const steps: readonly { readonly with?: { readonly tags?: string; readonly registry?: string } }[] =
    release.jobs.image.steps;
  expect(steps.some((step) => step.with?.registry === 'ghcr.io')).toBe(true);
  const tags = steps.flatMap((step) => step.with?.tags?.trim().split(/\s*\n\s*/) ?? []);
  const suffixes = tags.map((tag) => tag.replaceAll(/\$\{\{ steps\.name\.outputs\.(\w+) \}\}/g, '$1'));
  expect(suffixes).toEqual(['image:latest', 'image:vversion', 'image:version']);

  const publish = parse(read('.github/workflows/npm-publish.yml'));
  expect(publish.on.push.tags).toEqual(['v*.*.*']);
  const commands = publish.jobs.publish.steps.map((step: { readonly run?: string }) => step.run ?? '');
  expect(commands.findIndex((run: string) => run.startsWith('npm publish ./dist/package'))).toBeGreaterThan(
    commands.indexOf('npm run build'),
  );
  expect(commands.indexOf('npm run build')).toBeGreaterThan(commands.indexOf('npm test'));
});

test('what continuous integration runs is npm test', () => {
  const { jobs } = parse(read('.github/workflows/ci.yml'));
  expect(jobs.test.steps.at(-1).run).toBe('.ci/run');
  expect(read('.ci/run').trim().split('\n').at(-1)).toBe('exec npm test');
});

test('the documented docker lines fit the image and the compose file [S0.38]', () => {
  const guide = read('docs/guide/operations.md');
  for (const text of [read('README.md'), guide]) {
    expect(text).toContain('docker build -t mcp-gateway .');
    expect(text).toContain('docker run -d --name mcp-gateway -p 3000:3000 --env-file .env mcp-gateway');
  }
  expect(guide).toMatch(/docker run -d --name mcp-gateway -p 3000:3000 \\\n\s+-e DATABASE_URL=/);
  expect(guide).toContain('docker build -t mcp-gateway:1.0.0 -t mcp-gateway:latest .');
});
