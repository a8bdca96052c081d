/** Removes what is made (never data/, never node_modules). */
import { rmSync } from 'node:fs';
import { join } from 'node:path';

for (const folder of ['dist', 'coverage', '.cache']) {
  rmSync(join(import.meta.dirname, '..', folder), { recursive: true, force: true });
}
