/** What the schema refused, as one sentence: where it stands, what is wrong, what to do. Never the value: it may be secret. */
import type { z } from 'zod';
import type { Env } from './environment.ts';
import { settings } from './settings.ts';
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
  if (setting) return `${setting.name} is wrong: ${said(issue)}: correct it in the environment or .env${more}`;
  const place = file ? `${file.locate(path)}: ` : '';
  if (unknown !== undefined) return `${place}${dotted(path)} is not a setting: remove it or correct its name${more}`;
  return `${place}${dotted(path)} is wrong: ${said(issue)}${valueAt(value, path) === undefined ? ': add it' : ''}${more}`;
}

/** The schema's own words never quote the value: it may be a secret. */
export function said(issue: z.core.$ZodIssue): string {
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
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
