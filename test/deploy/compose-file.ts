/** A compose file as Docker Compose reads it, as far as the tests need: parsed, merged, variables replaced. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

const list = z.array(z.string());
/** Both forms of the standard become one. */
const variables = z.union([
  list.transform((lines) =>
    Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
  ),
  z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)),
]);
const part = z.object({
  image: z.string().optional(),
  build: z
    .union([z.string(), z.object({ context: z.string(), args: z.record(z.string(), z.string()).optional() })])
    .optional(),
  environment: variables.default({}),
  command: z.union([z.string(), list]).optional(),
  ports: list.default([]),
  volumes: list.default([]),
  read_only: z.boolean().default(false),
  cap_drop: list.default([]),
  stop_grace_period: z.string().optional(),
  networks: z.union([list, z.record(z.string(), z.unknown())]).optional(),
  depends_on: z.union([list, z.record(z.string(), z.unknown())]).optional(),
  healthcheck: z.object({ test: z.string() }).optional(),
});
const file = z.object({
  name: z.string().optional(),
  services: z.record(z.string(), part).default({}),
  include: list.default([]),
  networks: z.record(z.string(), z.unknown()).default({}),
  volumes: z.record(z.string(), z.unknown()).default({}),
  configs: z.record(z.string(), z.object({ content: z.string() })).default({}),
});

export type ComposePart = z.output<typeof part>;
export type ComposeFile = z.output<typeof file>;

/** Throws where it isn't YAML, or of another shape. */
export function readCompose(path: string): ComposeFile {
  return file.parse(parse(readFileSync(path, 'utf8'), { merge: true }));
}

/** Names in `${…}` that Compose refuses to start without. */
export const requiredNames = (text: string): readonly string[] =>
  [...text.matchAll(/\$\{([A-Z_]+):\?/g)].flatMap(([, name]) => name ?? []);

/** As Compose replaces `${NAME}`, `${NAME:-default}` and `${NAME:?why}`, innermost first. */
export function interpolated(text: string, env: Readonly<Record<string, string>>): string {
  const next = text.replaceAll(
    /\$\{([A-Z_]+)(?:(:-|:\?)([^${}]*))?\}/g,
    (_whole, name: string, how: string | undefined, rest = '') => env[name] || (how === ':-' ? rest : ''),
  );
  return next === text ? text : interpolated(next, env);
}
