import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ContainerTransport } from '#core/transport.ts';
import { bindsOf } from './volumes.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-volumes-')));
const data = join(folder, 'data');
const work = join(folder, 'work');
mkdirSync(join(data, 'spool'), { recursive: true });
mkdirSync(work);
symlinkSync('/etc', join(folder, 'link'));
symlinkSync(data, join(folder, 'to-data'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const transport = (more: Partial<ContainerTransport>): ContainerTransport => ({
  ...{ kind: 'container', image: 'tool:1', args: [], speaks: 'stdio', env: {}, state: 'stateful' },
  ...more,
});
const bind = (source: string, target = '/work') =>
  bindsOf(transport({ volumes: [{ source, target, readOnly: true }] }), [data]);

test('a folder of the host, and paths that a permission names, are seen as they are said', () => {
  expect(bind(work)).toEqual([{ source: work, target: '/work', readOnly: true }]);
  const permission = { network: 'none', read: [work], write: [work] } as const;
  expect(bindsOf(transport({ permission }), [data]).map(({ readOnly }) => readOnly)).toEqual([true, false]);
});

const refused: readonly string[] = [
  ...['/', '/etc', '/etc/ssl', '/proc', '/sys/fs', '/dev', '/run', '/var/run/docker.sock', '/var', '/boot'],
  ...['/var/lib/containers', data, join(data, 'spool'), folder, join(folder, 'link'), join(folder, 'to-data')],
  ...[`${work}/../data`, `${work},z`, `${work}:rw`, 'work', join(folder, 'absent'), `${work}\n`],
];

test.each(refused)('%j is no volume of a container [G7]', (source) => {
  expect(() => bind(source)).toThrow(expect.objectContaining({ code: 'bad_request' }));
});

test.each(['/', '/proc/1', '/sys', '/dev/shm', '/a,suid', '/a:rw', 'relative', '/a/../proc'])(
  'nothing is mounted over %j [G7]',
  (target) => {
    expect(() => bind(work, target)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  },
);
