import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SandboxSpec, sandboxLine } from './arguments.ts';
import { defaultResources } from './sandbox.ts';

const plain: SandboxSpec = {
  command: '/usr/bin/node',
  args: ['server.js'],
  env: { HOME: '/work', TOKEN: 'sesame' },
  permission: { network: 'none' },
  volumes: [],
  files: ['/srv/files'],
  resources: defaultResources,
  given: {},
  launcher: [],
};
const descriptors = { args: 3, seccomp: 4 };

test('the fence of a plain program is this, and its command line says nothing of it', () => {
  const { args, hidden } = sandboxLine(plain, descriptors);
  expect(args).toEqual([
    ...[
      '--args',
      '3',
      '--seccomp',
      '4',
      '--',
      '/usr/bin/nice',
      '-n',
      '5',
      '/usr/bin/prlimit',
      '--nofile=256',
      '--nproc=64',
    ],
    ...['--fsize=67108864', '--data=1610612736', '--core=0', '/usr/bin/node', 'server.js'],
  ]);
  expect(hidden.slice(0, 15)).toEqual([
    ...['--unshare-user', '--unshare-all', '--disable-userns', '--die-with-parent', '--new-session', '--clearenv'],
    ...['--cap-drop', 'ALL', '--uid', '65534', '--gid', '65534', '--hostname', 'sandbox'],
    hidden[14],
  ]);
  expect(hidden.join(' ')).toContain('--remount-ro / --chdir /work --setenv HOME /work --setenv TOKEN sesame');
});

const word = fc.oneof(
  fc.string({ minLength: 1 }).filter((text) => !text.includes('\0')),
  fc.constantFrom(
    '--share-net',
    '--privileged',
    '--bind',
    '--dev-bind',
    '--cap-add',
    '--',
    '-v',
    '/:/host',
    '--userns=host',
  ),
);
const path = fc.stringMatching(/^\/[a-z]{1,8}$/);

test('no program, argument, variable or path makes the fence weaker [G2] [G7]', () => {
  const specs = fc.record({
    command: path,
    args: fc.array(word),
    env: fc.dictionary(fc.stringMatching(/^[A-Z]{1,6}$/), word, { maxKeys: 3 }),
    volumes: fc.array(fc.record({ source: path, target: path, readOnly: fc.boolean() }), { maxLength: 3 }),
    permission: fc.record({
      network: fc.constantFrom('none' as const, { allow: ['example.com'] }),
      read: fc.array(path, { maxLength: 2 }),
      write: fc.array(path, { maxLength: 2 }),
    }),
  });
  fc.assert(
    fc.property(specs, (given) => {
      const { args, hidden } = sandboxLine({ ...plain, ...given }, descriptors);
      const options = optionsOf(hidden);
      for (const needed of ['--unshare-user', '--unshare-all', '--disable-userns', '--die-with-parent', '--clearenv']) {
        expect(options.map(([name]) => name)).toContain(needed);
      }
      for (const [name] of options)
        expect(['--share-net', '--dev-bind', '--cap-add', '--bind-try']).not.toContain(name);
      const writable = options.filter(([name]) => name === '--bind').map(([, ...values]) => values);
      const allowed = [
        ...given.permission.write.map((one) => [one, one]),
        ...given.volumes.filter(({ readOnly }) => !readOnly).map(({ source, target }) => [source, target]),
      ];
      expect(writable).toEqual(allowed);
      expect(args.slice(0, 5)).toEqual(['--args', '3', '--seccomp', '4', '--']);
      expect(args.slice(-1 - given.args.length)).toEqual([given.command, ...given.args]);
    }),
  );
});

/** How many values follow each option: read as bubblewrap reads them, so that a value is never taken for an option. */
const arity: Readonly<Record<string, number>> = {
  ...{ '--cap-drop': 1, '--uid': 1, '--gid': 1, '--hostname': 1, '--proc': 1, '--dev': 1, '--size': 1, '--tmpfs': 1 },
  ...{
    '--remount-ro': 1,
    '--chdir': 1,
    '--symlink': 2,
    '--ro-bind': 2,
    '--ro-bind-try': 2,
    '--bind': 2,
    '--setenv': 2,
  },
};

function optionsOf(hidden: readonly string[]): (readonly string[])[] {
  const options: (readonly string[])[] = [];
  for (let at = 0; at < hidden.length; ) {
    const name = hidden[at] ?? '';
    const length = 1 + (arity[name] ?? 0);
    options.push(hidden.slice(at, at + length));
    at += length;
  }
  return options;
}
