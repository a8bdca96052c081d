/** What the admin API says of servers that are run here. Values of variables go in and never out. */
import { z } from 'zod';
import { organizationRef, slug, text } from './nouns.ts';
import { transport, transportKinds } from './transport-nouns.ts';

const time = z.iso.datetime();

export const runState = z.enum(['running', 'ready', 'stopped', 'failed']);

const program = z.object({
  id: z.string(),
  pid: z.int().nullable(),
  container: z.string().nullable(),
  /** Whose calls started it; null: it serves all. */
  organization: z.string().nullable(),
  startedAt: time,
  /** `none`: with the rights of the gateway. */
  sandbox: z.enum(['bubblewrap', 'docker', 'podman', 'none']),
});

const exit = z.object({ at: time, code: z.int().nullable(), signal: z.string().nullable(), reason: z.string() });

export const run = z.object({
  server: z.string(),
  title: z.string(),
  kind: z.enum(transportKinds),
  /** ready: the next call starts it. failed: so does it, but it ended by itself last time. */
  state: runState,
  /** Where it answers by itself, beside its path. */
  port: z.int().nullable(),
  /** Why the port is not open. */
  portProblem: z.string().nullable(),
  /** Of the oldest that runs now. */
  startedAt: time.nullable(),
  /** How often a program of it has ended since this gateway started. */
  exits: z.int(),
  /** On the replica that answers. */
  programs: z.array(program),
  lastExit: exit.nullable(),
  createdAt: time,
  managedBy: z.enum(['api', 'file', 'catalog', 'catalog-off']),
});
export type RunShown = z.output<typeof run>;

export const runDetail = run.extend({
  /** The whole command or image, as it is started: as it is given, without what is sealed. */
  transport: z.record(z.string(), z.unknown()),
  /** Names of sealed variables. */
  variables: z.array(z.string()),
});

export const variableName = z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'must be of the form [A-Z][A-Z0-9_]{0,63}');
export const variableValues = z
  .record(variableName, z.string().min(1).max(16_384))
  .refine((values) => Object.keys(values).length <= 100, 'must be at most 100');

const toolName = z.string().min(1).max(256);

export const runOptions = {
  title: text.optional(),
  transport: transport.describe('Of kind `stdio`, `process` or `container`.'),
  variables: variableValues.optional().describe('Sealed here, given to the program, never shown again.'),
  port: z.int().min(1).max(65_535).nullable().optional().describe('Where it answers by itself; null: nowhere.'),
};

export const newRun = {
  key: slug,
  ...runOptions,
  organization: organizationRef.optional().describe('Enabled for it.'),
  group: text.optional().describe('Only for this group of the organization. Default: all members.'),
  tools: z.array(toolName).min(1).max(1000).optional().describe('Only these, by the names that callers see.'),
  overrides: z
    .record(
      toolName,
      z.strictObject({ name: z.string().max(64).optional(), description: z.string().max(16_384).optional() }),
    )
    .optional()
    .describe('Tool → the name and description that callers see.'),
};

export type NewRunInput = z.output<z.ZodObject<typeof newRun>>;

export const logLine = z.object({ at: time, run: z.string(), text: z.string() });

/** Definition without secrets. */
export const exported = z.object({
  /** For gatehouse.yaml. */
  yaml: z.string(),
  /** ToolHive's run configuration. */
  runConfig: z.record(z.string(), z.unknown()),
});
