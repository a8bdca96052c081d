/** What is known of an operation before it is called: made once for each document, read by every call. Plain JSON. */
import type { JsonObject } from '#core/json.ts';

export interface Operation {
  /** Name of the tool. */
  readonly tool: string;
  readonly method: string;
  /** Of the document. */
  readonly path: string;
  readonly pieces: readonly PathPiece[];
  readonly parameters: readonly Parameter[];
  readonly body: Body | undefined;
  readonly auth: Auth;
  /** What it lists in the header field Accept. */
  readonly accept: string;
  readonly inputSchema: JsonObject;
  /** It promises JSON objects. */
  readonly declaresOutput: boolean;
}

/** Of a path template: as it is sent, or where an argument goes. */
export type PathPiece = { readonly text: string } | { readonly parameter: string };

export type Place = 'path' | 'query' | 'header' | 'cookie';

export interface Parameter {
  /** Name of the tool's argument. */
  readonly argument: string;
  readonly name: string;
  readonly in: Place;
  readonly style: string;
  readonly explode: boolean;
  /** Its value is JSON text. */
  readonly json: boolean;
  readonly allowReserved: boolean;
  readonly required: boolean;
  /** GitHub's `x-multi-segment`: the slashes of its value separate segments. */
  readonly segments: boolean;
}

export interface Body {
  readonly mediaType: string;
  readonly kind: 'json' | 'form' | 'multipart' | 'text' | 'binary';
  readonly required: boolean;
  /** Argument and member; undefined: the body is one argument. */
  readonly fields: readonly (readonly [argument: string, field: Field])[] | undefined;
  readonly argument: string | undefined;
  /** Arguments that are nobody's are members of it. */
  readonly open: boolean;
}

export interface Field {
  readonly name: string;
  /** base64 of a file's bytes, with its name and type. */
  readonly file: boolean;
  readonly explode: boolean;
  readonly style: string;
}

/** Where the credential goes. `binding`: where the binding says. `schemes`: all of them at once. */
export type Auth =
  | { readonly kind: 'none' }
  | { readonly kind: 'binding' }
  | { readonly kind: 'schemes'; readonly schemes: readonly Scheme[] };

export interface Scheme {
  /** As the document calls it. */
  readonly name: string;
  readonly place: SchemePlace;
}

export type SchemePlace =
  | { readonly kind: 'bearer' | 'basic' }
  | { readonly kind: 'key'; readonly in: 'query' | 'header' | 'cookie'; readonly name: string };

/** What of a document is not a tool, and why. */
export interface LeftOut {
  readonly operation: string;
  readonly reason: string;
}

export interface Api {
  readonly title: string;
  readonly version: string;
  readonly description: string | undefined;
  /** Undefined: the document names none that is absolute. */
  readonly url: string | undefined;
  /** By name. */
  readonly tools: ReadonlyMap<string, Tool>;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Text: it crosses from the thread that compiled it in no time, lists go out as they are, and of thousands of plans only
 * those are read that are called.
 */
export interface Tool {
  /** As `tools/list` has it. */
  readonly definition: string;
  /** An Operation as JSON. */
  readonly plan: string;
}
