import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const block = 512;

/**
 * Writes the files and folders of a plain tar archive (POSIX ustar, as PGlite dumps its data directory) below `folder`.
 * At once, for nothing else runs during a first start. Throws on what is no such archive.
 */
export function unpackTar(tar: Buffer, folder: string): void {
  for (let at = 0; at + block <= tar.length && tar[at] !== 0; ) {
    const header = tar.subarray(at, at + block);
    const size = Number.parseInt(text(header, 124, 12), 8);
    const prefix = text(header, 257, 5) === 'ustar' ? text(header, 345, 155) : '';
    const name = prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`;
    if (!Number.isSafeInteger(size) || name.split('/').includes('..')) throw new Error('the seed is no tar archive');
    const body = tar.subarray(at + block, at + block + size);
    if (body.length < size) throw new Error('the seed is cut off');
    const path = join(folder, name);
    if (text(header, 156, 1) === '5') mkdirSync(path, { recursive: true, mode: 0o700 });
    else {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, body, { mode: 0o600 });
    }
    at += block + Math.ceil(size / block) * block;
  }
}

function text(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end).trim();
}
