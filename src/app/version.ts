import { readFileSync } from 'node:fs';

/** package.json is beside `src` in a clone, beside `dist` in the package: up from here until it is found. */
export function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    const version = versionIn(new URL(path, import.meta.url));
    if (version !== undefined) return version;
  }
  return '0.0.0';
}

function versionIn(file: URL): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const isOurs =
      typeof manifest === 'object' && manifest !== null && 'name' in manifest && manifest.name === 'mcp-gatehouse';
    return isOurs && 'version' in manifest && typeof manifest.version === 'string' ? manifest.version : undefined;
  } catch {
    // Not in this folder: the other one has it.
    return undefined;
  }
}
