import { readFileSync } from 'node:fs';
import { GatehouseError } from '#core/error.ts';

/** undefined: there is no such file. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw new GatehouseError('setting', { message: `${path} cannot be read: correct its owner or mode`, cause: error });
  }
}
