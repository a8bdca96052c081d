import { expect, test } from 'vitest';
import { absentNumbers, deniedNumbers, seccompProgram } from './seccomp.ts';

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;

/** What the kernel would do with the program: bpf(2) in miniature. */
function decide(program: Buffer, data: { arch: number; nr: number; args?: readonly number[] }): number {
  const words = new Map([
    [0, data.nr],
    [4, data.arch],
    ...(data.args ?? []).map((value, i): [number, number] => [16 + 8 * i, value]),
  ]);
  let loaded = 0;
  for (let at = 0; at * 8 < program.length; at++) {
    const [code, then, otherwise, value] = [
      program.readUInt16LE(at * 8),
      program.readUInt8(at * 8 + 2),
      program.readUInt8(at * 8 + 3),
      program.readUInt32LE(at * 8 + 4),
    ];
    if (code === 0x20) loaded = words.get(value) ?? 0;
    else if (code === 0x06) return value;
    else if (code === 0x15) at += loaded === value ? then : otherwise;
    else if (code === 0x35) at += loaded >= value ? then : otherwise;
    else if (code === 0x45) at += (loaded & value) !== 0 ? then : otherwise;
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error('the program does not end');
}

test.each([
  {
    architecture: 'x64',
    arch: 0xc000003e,
    mount: 165,
    clone: 56,
    clone3: 435,
    socket: 41,
    ioctl: 16,
    mmap: 9,
    read: 0,
  },
  {
    architecture: 'arm64',
    arch: 0xc00000b7,
    mount: 40,
    clone: 220,
    clone3: 435,
    socket: 198,
    ioctl: 29,
    mmap: 222,
    read: 63,
  },
] as const)('the filter of $architecture refuses what is listed and nothing else [G5] [G7]', (row) => {
  const program = seccompProgram(row.architecture) ?? Buffer.alloc(0);
  const { arch } = row;
  const denied = deniedNumbers(row.architecture);
  expect(denied).toContain(row.mount);
  for (const nr of denied) expect(decide(program, { arch, nr })).toBe(EPERM);
  const absent = absentNumbers(row.architecture);
  for (const nr of absent) expect(decide(program, { arch, nr })).toBe(0x00050000 + 38);
  const special: readonly number[] = [row.clone, row.clone3, row.socket, row.ioctl, ...absent];
  for (let nr = 0; nr < 470; nr++) {
    if (!denied.includes(nr) && !special.includes(nr)) expect(decide(program, { arch, nr })).toBe(ALLOW);
  }
  expect(decide(program, { arch, nr: row.read })).toBe(ALLOW);
  expect(decide(program, { arch: 0x40000003, nr: 11 })).toBe(0x80000000);
  const fork = 0x11;
  expect(decide(program, { arch, nr: row.clone, args: [fork] })).toBe(ALLOW);
  for (const flag of [0x10000000, 0x20000, 0x40000000, 0x20000000]) {
    expect(decide(program, { arch, nr: row.clone, args: [fork | flag] })).toBe(EPERM);
  }
  expect(decide(program, { arch, nr: row.clone3 })).toBe(0x00050000 + 38);
  for (const family of [1, 2, 10, 16]) expect(decide(program, { arch, nr: row.socket, args: [family] })).toBe(ALLOW);
  for (const family of [0, 17, 38, 40]) {
    expect(decide(program, { arch, nr: row.socket, args: [family] })).toBe(0x00050000 + 97);
  }
  expect(decide(program, { arch, nr: row.ioctl, args: [0, 0x5412] })).toBe(EPERM);
  expect(decide(program, { arch, nr: row.ioctl, args: [0, 0x541c] })).toBe(EPERM);
  expect(decide(program, { arch, nr: row.ioctl, args: [0, 0x5401] })).toBe(ALLOW);
  const mapped = (flags: number) => decide(program, { arch, nr: row.mmap, args: [0, 4096, 3, flags] });
  for (const shared of [0x21, 0x23, 0x8021]) expect(mapped(shared)).toBe(EPERM);
  for (const own of [0x01, 0x02, 0x22, 0x4022]) expect(mapped(own)).toBe(ALLOW);
});

test('numbers of the second ABI of x86_64 are refused, and other architectures have no filter', () => {
  const program = seccompProgram('x64') ?? Buffer.alloc(0);
  expect(decide(program, { arch: 0xc000003e, nr: 0x40000000 + 520 })).toBe(EPERM);
  expect(seccompProgram('riscv64')).toBeUndefined();
});
