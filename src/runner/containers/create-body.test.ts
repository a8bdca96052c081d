import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import type { ContainerTransport } from '#core/transport.ts';
import { type CreateBody, createBody, EGRESS_TARGET } from './create-body.ts';
import type { Image } from './engine.ts';
import { bindsOf } from './volumes.ts';

const plain: ContainerTransport = {
  ...{ kind: 'container', image: 'tool:1', args: [], speaks: 'stdio', env: {}, state: 'stateful' },
};
const image: Image = { id: `sha256:${'a'.repeat(64)}`, digests: [], volumes: [], ports: [8080] };

function bodyOf(transport: ContainerTransport, more: Partial<Parameters<typeof createBody>[0]> = {}): CreateBody {
  const { env } = transport;
  const parts = { labels: {}, binds: bindsOf(transport, ['/data-of-the-gateway']), user: '65534:65534' };
  return createBody({
    transport,
    image,
    engine: 'docker',
    env,
    runtime: undefined,
    egressSocket: undefined,
    ...parts,
    ...more,
  });
}

const name = fc.oneof(
  fc.string(),
  fc.constantFrom('/', '/etc', '/proc/1', '/var', '/tmp', '/run/x.sock', '/a,z', '/tmp/../etc', '__proto__'),
);
const strings = fc.array(
  fc.oneof(fc.string(), fc.constantFrom('--privileged', '--pid=host', '-v', '/:/host', '--cap-add=ALL')),
);
const hostile = fc.record(
  {
    kind: fc.constant('container' as const),
    image: fc.string(),
    args: strings,
    env: fc.dictionary(name, fc.string()),
    state: fc.constantFrom('stateful' as const, 'stateless' as const),
    speaks: fc.constantFrom('stdio' as const, 'http' as const, 'sse' as const),
    port: fc.oneof(fc.integer(), fc.double()),
    volumes: fc.array(fc.record({ source: name, target: name, readOnly: fc.boolean() }), { maxLength: 3 }),
    permission: fc.record(
      {
        network: fc.oneof(fc.constantFrom('none' as const, 'full' as const), fc.record({ allow: strings })),
        read: fc.array(name, { maxLength: 2 }),
        write: fc.array(name, { maxLength: 2 }),
      },
      { requiredKeys: ['network'] },
    ),
    // What a definition has no place for stays without effect, wherever it came from.
    Privileged: fc.boolean(),
    HostConfig: fc.object(),
    PidMode: fc.constant('host'),
    CapAdd: strings,
  },
  { requiredKeys: ['kind', 'image', 'args', 'env', 'state', 'speaks'] },
);

const topKeys = new Set([
  ...['Image', 'Cmd', 'User', 'Env', 'Labels', 'AttachStdin', 'OpenStdin', 'StdinOnce', 'AttachStdout', 'AttachStderr'],
  ...['Tty', 'ExposedPorts', 'HostConfig'],
]);
const hostKeys = new Set([
  ...['Privileged', 'ReadonlyRootfs', 'CapDrop', 'SecurityOpt', 'IpcMode', 'RestartPolicy', 'LogConfig', 'Memory'],
  ...['MemorySwap', 'NanoCpus', 'PidsLimit', 'ShmSize', 'Ulimits', 'NetworkMode', 'PortBindings', 'Tmpfs', 'Mounts'],
]);

function checkHarmless({ HostConfig: host, ...body }: CreateBody, transport: ContainerTransport): void {
  expect(Object.keys(body).filter((key) => !topKeys.has(key))).toEqual([]);
  expect(Object.keys(host).filter((key) => !hostKeys.has(key))).toEqual([]);
  expect(host).toMatchObject({ Privileged: false, ReadonlyRootfs: true, CapDrop: ['ALL'], IpcMode: 'private' });
  expect(host.SecurityOpt).toEqual(['no-new-privileges']);
  expect(body.User).toBe('65534:65534');
  expect(body.Image).toBe(image.id);
  expect(host.PidsLimit).toBeGreaterThan(0);
  expect(host.Memory).toBe(host.MemorySwap);
  expect(host.NetworkMode).toBe(transport.permission?.network === 'full' ? 'bridge' : 'none');
  for (const [each] of Object.values(host.PortBindings)) expect(each?.HostIp).toBe('127.0.0.1');
  for (const options of Object.values(host.Tmpfs)) expect(options).toMatch(/noexec,nosuid,nodev.*size=\d+m/);
  for (const { Source, Target } of host.Mounts) {
    expect(Source).toMatch(/^\/[^,:"]+$/);
    expect(Source).not.toMatch(/^\/(etc|proc|sys|dev|run|boot)(\/|$)/);
    expect(Target).toMatch(/^\/[^,:"]+$/);
  }
}

test('no definition of a server, whatever is in it, makes a container that could reach the host [G7]', () => {
  let made = 0;
  fc.assert(
    fc.property(hostile, (transport) => {
      let body: CreateBody;
      try {
        body = bodyOf(transport);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(GatehouseError);
        return;
      }
      made++;
      checkHarmless(body, transport);
    }),
    { numRuns: 2000 },
  );
  expect(made).toBeGreaterThan(50);
});

describe('what is created', () => {
  test('has the limits of its definition, and ours where it has none [G8]', () => {
    const { HostConfig: host } = bodyOf({ ...plain, resources: { memoryMb: 512, cpus: 2 } });
    expect(host).toMatchObject({ Memory: 512 * 1024 * 1024, NanoCpus: 2e9, PidsLimit: 64 });
    expect(host.Ulimits).toContainEqual({ Name: 'nofile', Soft: 256, Hard: 256 });
    expect(host.Ulimits).toContainEqual({ Name: 'core', Soft: 0, Hard: 0 });
  });

  test("has no network unless it is said; a list of hosts is the proxy's socket, never a network [G6]", () => {
    expect(bodyOf(plain).HostConfig.NetworkMode).toBe('none');
    expect(bodyOf({ ...plain, permission: { network: 'full' } }).HostConfig.NetworkMode).toBe('bridge');
    const listed: ContainerTransport = { ...plain, permission: { network: { allow: ['api.example'] } } };
    expect(() => bodyOf(listed)).toThrow(/egress proxy/);
    const { HostConfig: host } = bodyOf(listed, { egressSocket: '/srv/egress.sock' });
    expect(host.NetworkMode).toBe('none');
    expect(host.Mounts).toMatchObject([{ Source: '/srv/egress.sock', Target: EGRESS_TARGET }]);
    expect(() => bodyOf({ ...listed, speaks: 'http' }, { egressSocket: '/srv/egress.sock' })).toThrow(
      /needs a network/,
    );
  });

  test('covers what the image declares as a volume, which would else be on the disk', () => {
    const volumes = ['/data', '/var/lib/tool'];
    const { HostConfig: host } = bodyOf(plain, { image: { ...image, volumes }, engine: 'podman' });
    expect(Object.keys(host.Tmpfs)).toEqual(['/tmp', '/run', '/var/tmp', ...volumes]);
    expect(host.Tmpfs['/data']).toContain('notmpcopyup');
    expect(() => bodyOf(plain, { image: { ...image, volumes: ['/a,exec'] } })).toThrow(/cannot be used/);
    expect(() => bodyOf(plain, { image: { ...image, volumes: ['/a/../proc'] } })).toThrow(/cannot be used/);
  });

  test('listens where its definition says, or where its image does', () => {
    const listening: ContainerTransport = { ...plain, speaks: 'http', permission: { network: 'full' } };
    expect(bodyOf(listening).ExposedPorts).toEqual({ '8080/tcp': {} });
    expect(bodyOf({ ...listening, port: 9000 }).HostConfig.PortBindings).toEqual({
      '9000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }],
    });
    expect(() => bodyOf(listening, { image: { ...image, ports: [1, 2] } })).toThrow(/port .* is not given/);
  });

  test('runs in the runtime of the settings', () => {
    expect(bodyOf(plain, { runtime: 'runc' }).HostConfig).toMatchObject({ Runtime: 'runc' });
  });
});
