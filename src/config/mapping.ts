/** MAPPING_FILE of the older generation (REQUIREMENTS.md S0.24). */
import { resolve } from 'node:path';
import { settingError } from '#core/error.ts';
import type { Env } from './environment.ts';
import { dotted, said } from './explain.ts';
import { type Mapping, mappingSchema } from './schema.ts';

/** Strict, as a whole, at start. */
export function readMapping(env: Env, cwd: string, readFile: (path: string) => string | undefined): Mapping {
  const name = env.MAPPING_FILE;
  if (name === undefined) return {};
  const source = readFile(resolve(cwd, name));
  if (source === undefined)
    throw settingError(`The MAPPING_FILE ${name} does not exist: create it or correct the variable`);
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (cause) {
    throw settingError(`The MAPPING_FILE ${name} must be valid JSON: correct it`, cause);
  }
  const parsed = mappingSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.filter((step) => typeof step !== 'symbol') ?? [];
  throw settingError(
    `The MAPPING_FILE ${name} is wrong at ${dotted(path) || 'its root'}: ${issue ? said(issue) : 'correct it'}`,
  );
}
