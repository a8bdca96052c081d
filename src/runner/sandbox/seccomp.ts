/**
 * The system calls that a sandboxed program never needs, as a classic BPF program for seccomp(2): what would mount,
 * trace, load code into the kernel, open namespaces or reach keys answers EPERM. The rest is allowed: programs of any
 * language run here, and the namespaces do the fencing.
 */

type Architecture = 'x64' | 'arm64';

/** AUDIT_ARCH_… of linux/audit.h. */
const audit: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** name: [x86_64, aarch64]; undefined where the architecture has no such call. */
const denied: Readonly<Record<string, readonly [number | undefined, number | undefined]>> = {
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  unshare: [272, 97],
  setns: [308, 268],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  create_module: [174, undefined],
  query_module: [178, undefined],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  syslog: [103, 116],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  lookup_dcookie: [212, 18],
  fanotify_init: [300, 262],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  vhangup: [153, 58],
  iopl: [172, undefined],
  ioperm: [173, undefined],
  modify_ldt: [154, undefined],
  uselib: [134, undefined],
};

/**
 * Memory that no process shows as its own, so that nobody could count it (usage.ts): these calls are as if the kernel had
 * none of them. Shared memory with a name is in /dev/shm, which is bounded.
 */
const absent: typeof denied = {
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  shmget: [29, 194],
  semget: [64, 190],
  msgget: [68, 186],
};

const numbers = {
  x64: { clone: 56, clone3: 435, socket: 41, ioctl: 16, mmap: 9 },
  arm64: { clone: 220, clone3: 435, socket: 198, ioctl: 29, mmap: 222 },
} as const;

/** linux/seccomp.h and linux/bpf_common.h. */
const LOAD = 0x20;
const IF_EQUAL = 0x15;
const IF_AT_LEAST = 0x35;
const IF_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const errno = (code: number) => 0x00050000 + code;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
/** Offsets in struct seccomp_data; the low half of an argument comes first on both architectures. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (n: number) => 16 + 8 * n;

/** All CLONE_NEW… of linux/sched.h. */
const NEW_NAMESPACES = 0x7e020000;
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (a program lists its interfaces): no AF_VSOCK, no raw packets. */
const families = [1, 2, 10, 16];
/** They write into a terminal's input. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const MAP_SHARED = 0x01;
const MAP_ANONYMOUS = 0x20;

type Instruction = readonly [code: number, then: number, otherwise: number, value: number];

/** undefined on an architecture without a list: such a machine has no sandbox. */
export function seccompProgram(architecture: string): Buffer | undefined {
  if (architecture !== 'x64' && architecture !== 'arm64') return undefined;
  return assemble([
    [LOAD, 0, 0, ARCHITECTURE],
    [IF_EQUAL, 1, 0, audit[architecture]],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD, 0, 0, NUMBER],
    // The x32 numbers of x86_64 name the same calls again.
    ...(architecture === 'x64'
      ? ([
          [IF_AT_LEAST, 0, 1, 0x40000000],
          [RETURN, 0, 0, errno(EPERM)],
        ] as const)
      : []),
    ...deniedNumbers(architecture).flatMap((call) => on(call, [[RETURN, 0, 0, errno(EPERM)]])),
    ...absentNumbers(architecture).flatMap((call) => on(call, [[RETURN, 0, 0, errno(ENOSYS)]])),
    ...byArgument(numbers[architecture]),
    [RETURN, 0, 0, ALLOW],
  ]);
}

/** System call numbers that are refused whatever their arguments. */
export const deniedNumbers = (architecture: Architecture): readonly number[] => numbersOf(denied, architecture);

/** System call numbers that answer as if there were none of that number. */
export const absentNumbers = (architecture: Architecture): readonly number[] => numbersOf(absent, architecture);

const numbersOf = (calls: typeof denied, architecture: Architecture): readonly number[] =>
  Object.values(calls).flatMap((row) => row[architecture === 'x64' ? 0 : 1] ?? []);

function byArgument({ clone, clone3, socket, ioctl, mmap }: (typeof numbers)[Architecture]): readonly Instruction[] {
  return [
    // Its flags lie in memory, out of a filter's sight: libraries go back to clone.
    ...on(clone3, [[RETURN, 0, 0, errno(ENOSYS)]]),
    ...on(clone, [
      [LOAD, 0, 0, argument(0)],
      [IF_ANY_BIT, 0, 1, NEW_NAMESPACES],
      [RETURN, 0, 0, errno(EPERM)],
      [RETURN, 0, 0, ALLOW],
    ]),
    ...on(socket, [
      [LOAD, 0, 0, argument(0)],
      ...families.map((family, i): Instruction => [IF_EQUAL, families.length - i, 0, family]),
      [RETURN, 0, 0, errno(EAFNOSUPPORT)],
      [RETURN, 0, 0, ALLOW],
    ]),
    ...on(ioctl, [
      [LOAD, 0, 0, argument(1)],
      [IF_EQUAL, 1, 0, TIOCSTI],
      [IF_EQUAL, 0, 1, TIOCLINUX],
      [RETURN, 0, 0, errno(EPERM)],
      [RETURN, 0, 0, ALLOW],
    ]),
    // It stays where it was filled when all but a page of it is given back: nobody could count it.
    ...on(mmap, [
      [LOAD, 0, 0, argument(3)],
      [IF_ANY_BIT, 0, 2, MAP_ANONYMOUS],
      [IF_ANY_BIT, 0, 1, MAP_SHARED],
      [RETURN, 0, 0, errno(EPERM)],
      [RETURN, 0, 0, ALLOW],
    ]),
  ];
}

/** `body` for one system call; it is skipped for all others and must return. */
const on = (call: number, body: readonly Instruction[]): readonly Instruction[] => [
  [IF_EQUAL, 0, body.length, call],
  ...body,
];

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. */
function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [i, [code, then, otherwise, value]] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(then, i * 8 + 2);
    bytes.writeUInt8(otherwise, i * 8 + 3);
    bytes.writeUInt32LE(value, i * 8 + 4);
  }
  return bytes;
}
