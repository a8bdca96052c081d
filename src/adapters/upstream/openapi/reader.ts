/** Documents as they are imported: judged, cut down to what is chosen, and shown before anything is stored. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '#core/json.ts';
import { compileApi } from './compile.ts';
import { parseDocument } from './document.ts';
import type { LeftOut, Operation, Tool } from './plan.ts';
import { describeSchemes } from './security.ts';
import { type Selection, selectionOf, selectOperations } from './select.ts';

export interface ReadDocument {
  /** What is stored: the chosen part as JSON; `digest` is its SHA-256, hexadecimal. */
  readonly text: string;
  readonly digest: string;
  readonly title: string;
  readonly version: string;
  /** Where its requests go; undefined: it doesn't say. */
  readonly url: string | undefined;
  readonly schemes: readonly { readonly name: string; readonly kind: string }[];
  readonly tools: readonly ReadTool[];
  readonly leftOut: readonly LeftOut[];
  readonly selection: Selection;
}

export interface ReadTool {
  readonly name: string;
  readonly operation: string;
  readonly title: string;
  /** Of its definition: changes when anything that a client sees does. */
  readonly hash: string;
  /** Of its definition. */
  readonly bytes: number;
}

export interface Reading {
  readonly selection?: Selection | undefined;
  /** Where the text was fetched: what relative server addresses are relative to. */
  readonly at?: string | undefined;
}

/** Throws GatehouseError `bad_request`. */
export function readDocument(text: string, { selection, at }: Reading): ReadDocument {
  const given = parseDocument(text);
  const chosen = selection ?? selectionOf(given);
  const document = selectOperations(given, chosen);
  const stored = JSON.stringify(document);
  const api = compileApi(document, at);
  return {
    text: stored,
    digest: digestOf(stored),
    title: api.title,
    version: api.version,
    url: api.url,
    schemes: describeSchemes(document),
    tools: [...api.tools].map(([name, tool]) => readTool(name, tool)),
    leftOut: api.leftOut,
    selection: chosen,
  };
}

function readTool(name: string, { definition, plan }: Tool): ReadTool {
  const { method, path }: Operation = JSON.parse(plan);
  const bytes = Buffer.byteLength(definition);
  return {
    ...{ name, bytes, operation: `${method} ${path}` },
    title: titleOf(JSON.parse(definition)),
    hash: digestOf(definition),
  };
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const titleOf = ({ title, description }: JsonObject): string =>
  String(title ?? description ?? '')
    .split('\n')[0]
    ?.slice(0, 200) ?? '';
