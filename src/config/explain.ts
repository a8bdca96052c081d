/** What the schema refused, as one sentence: where it stands, what is wrong, what to do. Never the value: it may be secret. */
import type { z } from 'zod';
import type { Env } from './environment.ts';
import { type Setting, settings } from './settings.ts';
import type { Path, YamlFile } from './yaml.ts';

export function explain(error: z.ZodError, value: unknown, env: Env, file: YamlFile | undefined): string {
  const [issue] = error.issues;
  if (!issue) return 'A setting is wrong';
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path: Path = [
    ...issue.path.filter((step) => typeof step !== 'symbol'),
    ...(unknown === undefined ? [] : [unknown]),
  ];
  const setting = settings.find((s) => s.path?.join('.') === path.slice(0, s.path?.length).join('.') && env[s.name]);
  const more = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more)` : '';
  if (setting) return `${nameOf(setting, env)} is wrong: ${said(issue)}: correct it in the environment or .env${more}`;
  const place = file ? `${file.locate(path)}: ` : '';
  if (unknown !== undefined) return `${place}${dotted(path)} is not a setting: remove it or correct its name${more}`;
  return `${place}${dotted(path)} is wrong: ${said(issue)}${valueAt(value, path) === undefined ? ': add it' : ''}${more}`;
}

/** As somebody wrote it: an alias has given its value to the name that it stands for. */
function nameOf({ name, aliases = [] }: Setting, env: Env): string {
  return aliases.find((alias) => env[alias] !== undefined && env[alias] === env[name]) ?? name;
}

/** The schema's own words never quote the value: it may be a secret. */
export function said(issue: z.core.$ZodIssue): string {
  const words = issue.message.replace(/^Invalid (input|option|discriminator value)[:.] */, '');
  return words.charAt(0).toLowerCase() + words.slice(1);
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, step) => (typeof node === 'object' && node !== null ? Reflect.get(node, step) : undefined),
    value,
  );
}

export function dotted(path: Path): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index ? `.${step}` : step)).join('');
}
