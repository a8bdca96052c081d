/** What an import would make, before anything is made: one plan for each server, with what it still needs to know. */
import type { ServerTransport } from '#core/transport.ts';

/** A place that is filled before the server is made. `{name}` in the plan's texts stands for it. */
export interface Need {
  readonly name: string;
  readonly description: string | undefined;
  readonly required: boolean;
  readonly secret: boolean;
  readonly choices: readonly string[];
  /** What it is where nobody says: never of a secret. */
  readonly default: string | undefined;
  /** The document has it already; it is not shown. */
  readonly given: string | undefined;
}

export type PlannedText = string;

export interface RemotePlan {
  readonly kind: 'http' | 'sse';
  readonly url: PlannedText;
  /** The header that carries the key: `Bearer {api_key}`. */
  readonly header: { readonly name: string; readonly template: PlannedText } | undefined;
}

export interface ProgramPlan {
  readonly kind: 'stdio' | 'container';
  /** Of `stdio`. */
  readonly command: string;
  /** Of `container`. */
  readonly image: string;
  readonly args: readonly PlannedText[];
  readonly env: Readonly<Record<string, PlannedText>>;
}

export interface ImportPlan {
  readonly key: string;
  readonly title: string;
  readonly description: string | undefined;
  readonly version: string | undefined;
  readonly way: RemotePlan | ProgramPlan | undefined;
  readonly needs: readonly Need[];
  /** It can be made, but. */
  readonly warnings: readonly string[];
  /** It cannot be made, and what to do about it. */
  readonly problems: readonly string[];
}

export interface FilledServer {
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
  readonly credential: string | undefined;
  /** Of a program with several secrets: sealed with the server, given to it alone. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly header: { readonly name: string; readonly template: string } | undefined;
}

export const isProgramPlan = (way: ImportPlan['way']): way is ProgramPlan =>
  way !== undefined && (way.kind === 'stdio' || way.kind === 'container');

/** Names of places in a text, each once. */
export const placesIn = (text: string): readonly string[] => [
  ...new Set([...text.matchAll(/\{([A-Za-z_][A-Za-z0-9_.-]{0,127})\}/g)].map(([, name = '']) => name)),
];

/** A key of ours out of any name: `io.github.acme/Some_Server` is `some-server`. */
export function keyFor(name: string): string {
  const [last = ''] = name.split('/').slice(-1);
  const key = last
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return key || 'server';
}
