import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { unpackTar } from './unpack.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-unpack-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function archive(): Buffer {
  const source = join(folder, 'source');
  mkdirSync(join(source, 'base/empty'), { recursive: true });
  writeFileSync(join(source, 'PG_VERSION'), '17\n');
  writeFileSync(join(source, 'base/large'), Buffer.alloc(70_001, 7));
  return execFileSync('tar', ['--format=ustar', '-cf', '-', '-C', source, '.']);
}

test('files and folders come out as they went in, for their owner alone', () => {
  const target = join(folder, 'target');
  unpackTar(archive(), target);
  expect(readFileSync(join(target, 'PG_VERSION'), 'utf8')).toBe('17\n');
  expect(readFileSync(join(target, 'base/large'))).toEqual(Buffer.alloc(70_001, 7));
  expect(statSync(join(target, 'base/empty')).mode & 0o777).toBe(0o700);
  expect(statSync(join(target, 'PG_VERSION')).mode & 0o777).toBe(0o600);
});

test('what is cut off or no archive is refused', () => {
  expect(() => unpackTar(archive().subarray(0, 20_000), join(folder, 'cut'))).toThrow('cut off');
  expect(() => unpackTar(Buffer.alloc(2048, 'x'), join(folder, 'other'))).toThrow('no tar archive');
});
