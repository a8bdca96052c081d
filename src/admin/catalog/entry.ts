/**
 * The catalogue (REQUIREMENTS S3.36): well-known servers as data, each off until its key is there. An entry says how its
 * vendor publishes the server; nothing in it is secret, and nothing of it runs by being listed.
 */
import { z } from 'zod';
import { presetNames } from '#admin/account-nouns.ts';
import { slug } from '#admin/nouns.ts';
import { isReservedHeader } from '#core/reserved.ts';

const variable = z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'must be the name of a variable, in capitals');
const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}]*$/u, 'must be one line');
const url = z
  .string()
  .max(2048)
  .refine((value) => URL.canParse(value) && /^https?:\/\/[^@]*$/.test(value), {
    error: 'must be a URL without a user',
  });

/** Left out: it differs from account to account, and `urlVariable` or an administrator says it. */
const address = { url: url.optional() };
const http = z.strictObject({ kind: z.literal('http'), ...address });
const sse = z.strictObject({ kind: z.literal('sse'), ...address });

/** Arguments as they are: no shell reads them. */
const argument = z
  .string()
  .max(512)
  .regex(/^[^\p{Cc}]*$/u, 'must be one line');
const running = {
  args: z.array(argument).max(50).default([]),
  env: z.record(variable, argument).default({}),
  /** Which of its own variables gets the key. */
  credentialEnv: variable.optional(),
  network: z
    .union([z.enum(['none', 'full']), z.strictObject({ allow: z.array(line(253)).min(1).max(50) })])
    .default('none'),
};
const program = z.strictObject({ kind: z.literal('stdio'), command: line(128), ...running });
const container = z.strictObject({ kind: z.literal('container'), image: line(512), ...running });

const auth = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({
    kind: z.literal('key'),
    header: z
      .string()
      .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/)
      .refine((name) => !isReservedHeader(name), { error: 'is a header that the gateway sets itself' })
      .default('authorization'),
    template: z.string().max(256).includes('{}').default('Bearer {}'),
  }),
  /** Into `credentialEnv` of a program. */
  z.strictObject({ kind: z.literal('variable') }),
  /** Everybody signs in with an account of their own there. */
  z.strictObject({ kind: z.literal('connected'), preset: z.enum(presetNames).optional() }),
]);

export const catalogEntry = z
  .strictObject({
    key: slug,
    title: line(128),
    description: line(512),
    /** What its vendor says of it. */
    documentation: url.refine((value) => value.startsWith('https://'), { error: 'must be https' }),
    tags: z.array(slug).max(10).default([]),
    transport: z.discriminatedUnion('kind', [http, sse, program, container]),
    auth,
    /** Its key: set, the server is on. */
    variable: variable.optional(),
    /** Other names of the same key, from older set-ups. */
    aliases: z.array(variable).max(5).default([]),
    /** Its address, where it isn't the vendor's one for all. */
    urlVariable: variable.optional(),
    /** Address and way in were found where the vendor publishes them. */
    verified: z.boolean().default(false),
    /** What an administrator has to know before. */
    note: line(512).optional(),
  })
  .superRefine((entry, context) => {
    for (const message of problemsOf(entry)) context.addIssue({ code: 'custom', message });
  });

export type CatalogEntry = z.output<typeof catalogEntry>;
export type CatalogEntryInput = z.input<typeof catalogEntry>;

export type CatalogTransport = CatalogEntry['transport'];

export const isProgram = ({ transport }: Pick<CatalogEntry, 'transport'>): boolean =>
  transport.kind === 'stdio' || transport.kind === 'container';

/** The same bytes at every start: an exact version of a package, the digest of an image. */
export function isPinned({ transport }: Pick<CatalogEntry, 'transport'>): boolean {
  if (transport.kind === 'container') return /@sha256:[0-9a-f]{64}$/.test(transport.image);
  if (transport.kind !== 'stdio') return true;
  const { command, args } = transport;
  if (command === 'npx') return args.some((one) => /^(?:@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(one));
  if (command === 'uvx') return args.some((one) => /^[\w.-]+==\d+(?:\.\d+)+$/.test(one));
  return false;
}

/** As a person reads it before it runs: every word of it, quoted where a shell would need it. */
export function commandLine(
  transport: { readonly args: readonly string[] } & (
    | { readonly kind: 'stdio'; readonly command: string }
    | { readonly kind: 'container'; readonly image: string }
  ),
): string {
  const head = transport.kind === 'stdio' ? [transport.command] : ['container', transport.image];
  return [...head, ...transport.args].map(quoted).join(' ');
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** Of a server that is elsewhere. */
export const urlOf = (transport: CatalogTransport): string | undefined =>
  transport.kind === 'http' || transport.kind === 'sse' ? transport.url : undefined;

type Checked = Pick<CatalogEntry, 'transport' | 'auth' | 'variable' | 'urlVariable' | 'aliases'>;

function problemsOf({ transport, auth: way, variable: name, urlVariable, aliases }: Checked): readonly string[] {
  const program = transport.kind === 'stdio' || transport.kind === 'container' ? transport : undefined;
  const isRemote = program === undefined;
  const found: string[] = [];
  if (isRemote && urlOf(transport) === undefined && urlVariable === undefined) found.push('needs url or urlVariable');
  if (program && urlVariable !== undefined) found.push('urlVariable is of servers that are elsewhere');
  if (isRemote ? way.kind === 'variable' : way.kind === 'key' || way.kind === 'connected')
    found.push(`auth ${way.kind} does not fit ${transport.kind}`);
  if (way.kind === 'key' && name === undefined) found.push('auth key needs variable');
  if (program && (way.kind === 'variable') !== (program.credentialEnv !== undefined))
    found.push('auth variable and credentialEnv go together');
  if (name === undefined && aliases.length > 0) found.push('aliases need variable');
  return found;
}
