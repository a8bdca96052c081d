/**
 * Whether who listens at a port of this machine is the program that should: between the choice of a port and the program's
 * start anybody can take it, and would then be handed the calls with their credentials.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** TCP_LISTEN of linux/tcp_states.h. */
const LISTENING = '0A';

/**
 * True where somebody else than process `pid`, its descendants and its session listens at the port. False also where nobody
 * can tell: without /proc, or where a program's descriptors are not to be seen.
 */
export function isTakenByOthers(port: number, pid: number): boolean {
  const sockets = listenersAt(port);
  if (sockets.size === 0) return false;
  const looked = new Set<number>();
  const remove = (one: number): boolean => {
    looked.add(one);
    const held = socketsOf(one);
    for (const socket of held ?? []) sockets.delete(socket);
    return held !== undefined;
  };
  const open = [pid];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!remove(next)) return false;
    if (sockets.size === 0) return false;
    open.push(...childrenOf(next).filter((child) => !looked.has(child)));
  }
  // Whoever lost its parent is no descendant any more.
  for (const other of processes()) if (!looked.has(other) && sessionOf(other) === pid) remove(other);
  return sockets.size > 0;
}

/** Inodes of what listens at the port on an address that a connection to 127.0.0.1 may end at. */
function listenersAt(port: number): Set<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const found = new Set<string>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const line of textOf(file).split('\n').slice(1)) {
      // proc(5): sl, local address, remote address, state, queues, timer, retransmits, user, timeout, inode.
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state === LISTENING && local.endsWith(`:${hex}`) && isLoopback(local)) found.add(inode);
    }
  return found;
}

/** 127.0.0.1 and what stands for all addresses, in the kernel's order of bytes on any machine. */
const isLoopback = (local: string): boolean =>
  /^(?:0100007F|7F000001|0{8}|0{32}|0{16}(?:0{4}FFFF|FFFF0{4})(?:0100007F|7F000001)):/.test(local);

/** undefined: it is not to be seen. */
function socketsOf(pid: number): readonly string[] | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${name}`)) ?? [];
      return inode ?? [];
    });
  } catch (thrown) {
    const isGone = thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ESRCH');
    return isGone ? [] : undefined;
  }
}

function childrenOf(pid: number): readonly number[] {
  const threads = namesIn(`/proc/${pid}/task`);
  const texts = threads.map((thread) => textOf(`/proc/${pid}/task/${thread}/children`));
  return texts.flatMap((text) => text.split(' ').filter(Boolean).map(Number));
}

const processes = (): readonly number[] => namesIn('/proc').map(Number).filter(Number.isInteger);

function sessionOf(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // It has ended meanwhile.
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It has ended meanwhile, or there is no /proc.
    return '';
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
