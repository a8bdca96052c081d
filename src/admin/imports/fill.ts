/** A plan with the answers to what it needs: a definition, and the secrets that are kept sealed beside it. */
import { secretName } from '#admin/transport-nouns.ts';
import { GatehouseError } from '#core/error.ts';
import type { ServerTransport } from '#core/transport.ts';
import {
  type FilledServer,
  type ImportPlan,
  isProgramPlan,
  type Need,
  type ProgramPlan,
  type RemotePlan,
} from './plan.ts';

export type Answers = Readonly<Record<string, string>>;

const bad = (message: string) => new GatehouseError('bad_request', { message });

/** Needs that nobody has answered and that have no default. */
export const openNeeds = ({ needs }: ImportPlan, answers: Answers): readonly Need[] =>
  needs.filter((need) => need.required && valueFor(need, answers) === undefined);

/** Throws `bad_request` for a problem, for what is missing, and for an answer that does not fit. */
export function fillPlan(plan: ImportPlan, answers: Answers, network: 'none' | 'full' = 'none'): FilledServer {
  const { key, title, way, problems, needs } = plan;
  const [problem] = problems;
  if (problem !== undefined || way === undefined) throw bad(`"${key}" cannot be imported: ${problem ?? 'no way in'}`);
  const [open] = openNeeds(plan, answers);
  if (open) throw bad(`"${key}" needs ${open.name}: give it a value`);
  const values = new Map(
    needs.flatMap((need) => {
      const value = valueFor(need, answers);
      if (value !== undefined) checkAnswer(need, value);
      return value === undefined ? [] : [[need.name, { need, value }] as const];
    }),
  );
  return isProgramPlan(way)
    ? fillProgram({ key, title, way, network }, values)
    : fillRemote({ key, title, way }, values);
}

type Values = ReadonlyMap<string, { readonly need: Need; readonly value: string }>;

const valueFor = ({ name, given, default: fallback }: Need, answers: Answers): string | undefined =>
  (Object.hasOwn(answers, name) ? answers[name] : undefined) ?? given ?? fallback;

function checkAnswer({ name, choices, given }: Need, value: string): void {
  if (choices.length > 0 && !choices.includes(value)) throw bad(`${name} must be one of ${choices.join(', ')}`);
  if (/[\0\r\n]/.test(value)) throw bad(`${name} must be one line`);
  if (value.length > 16_384 || (value === '' && given === undefined)) throw bad(`${name} is empty or too long`);
}

function fillRemote(
  { key, title, way }: { readonly key: string; readonly title: string; readonly way: RemotePlan },
  values: Values,
): FilledServer {
  const url = way.url.replace(placePattern, (all, name: string) => {
    const found = values.get(name);
    // A part of an address, never a turn of it.
    if (found && !/^[A-Za-z0-9._~-]+$/.test(found.value) && !isWhole(way.url))
      throw bad(`${name} must be letters, digits and "._~-"`);
    return found?.value ?? all;
  });
  const transport: ServerTransport = { kind: way.kind, url };
  const { header } = way;
  if (!header) return { key, title, transport, credential: undefined, header: undefined };
  const [place] = [...header.template.matchAll(placePattern)].map(([, name = '']) => name);
  const credential = place === undefined ? undefined : values.get(place)?.value;
  if (place === undefined || credential === undefined) return { key, title, transport, credential, header: undefined };
  return {
    key,
    title,
    transport,
    credential,
    header: { ...header, template: header.template.replace(`{${place}}`, '{}') },
  };
}

const placePattern = /\{([A-Za-z_][A-Za-z0-9_.-]{0,127})\}/g;
/** The address as a whole is asked for. */
const isWhole = (url: string): boolean => /^\{[^{}]+\}$/.test(url);

interface Program {
  readonly key: string;
  readonly title: string;
  readonly way: ProgramPlan;
  readonly network: 'none' | 'full';
}

function fillProgram({ key, title, way, network }: Program, values: Values): FilledServer {
  const args = way.args.map((word) => fillWord(word, values));
  const secrets = Object.entries(way.env).flatMap(([name, text]) => {
    const isSecret = secretName.test(name) || placesOf(text).some((place) => values.get(place)?.need.secret);
    return isSecret && isAnswered(text, values) ? [{ name, value: fillText(text, values) }] : [];
  });
  // A single one is the organization's credential, so that another organization brings its own.
  const [secret, ...more] = secrets;
  const isSingle = more.length === 0;
  const sealed = new Set(secrets.map(({ name }) => name));
  const env = Object.fromEntries(
    Object.entries(way.env).flatMap(([name, text]) =>
      sealed.has(name) || !isAnswered(text, values) ? [] : [[name, fillText(text, values)]],
    ),
  );
  const run = {
    ...({ args, env, state: 'stateful', permission: { network } } as const),
    ...(secret && isSingle && { credentialEnv: secret.name }),
  };
  const transport: ServerTransport =
    way.kind === 'container'
      ? { kind: 'container', image: way.image, speaks: 'stdio', ...run }
      : { kind: 'stdio', command: way.command, ...run };
  const filled = { key, title, transport, header: undefined };
  if (isSingle) return { ...filled, credential: secret?.value };
  const variables = Object.fromEntries(secrets.map(({ name, value }) => [name, value]));
  return { ...filled, credential: undefined, variables };
}

const placesOf = (text: string): readonly string[] => [...text.matchAll(placePattern)].map(([, name = '']) => name);

/** A variable that nobody gave a value is not set. */
const isAnswered = (text: string, values: Values): boolean =>
  placesOf(text).every((place) => values.has(place)) || placesOf(text).length === 0;

const fillText = (text: string, values: Values): string =>
  text.replace(placePattern, (all, name: string) => values.get(name)?.value ?? all);

/** An answer is never an option, nor a secret that others see in the list of processes (SECURITY G2). */
function fillWord(word: string, values: Values): string {
  for (const place of placesOf(word)) {
    const found = values.get(place);
    if (found?.need.secret)
      throw bad(`${place} is a secret and would be an argument, which everybody on the machine sees`);
    if (found?.value.startsWith('-')) throw bad(`${place} must not begin with "-"`);
  }
  return fillText(word, values);
}
