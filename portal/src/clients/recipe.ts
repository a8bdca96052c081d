/** How a client is told of an address: data with places for what differs, and how they are filled. */

/** Something to press that opens the client itself. Never carries a key. */
export interface RecipeLink {
  readonly label: string;
  /** `{name}` is filled; what is encoded comes behind it. */
  readonly prefix: string;
  /** With `{name}` and `{url}`. */
  readonly payload: string;
  readonly encoding: 'base64' | 'text';
}

export interface RecipeStep {
  /** What to do; where nothing else is given, that is all. */
  readonly text: string;
  readonly command?: string;
  readonly file?: { readonly path: string; readonly text: string };
  readonly link?: RecipeLink;
}

export interface Recipe {
  readonly id: string;
  readonly title: string;
  /** The month in which it was seen to work, or read in the vendor's documents. */
  readonly checkedAt: string;
  /** It comes from the vendor's machines: this gateway needs an https address that they reach. */
  readonly needsPublicAddress?: true;
  /** Tools that it takes at most. */
  readonly maxTools?: number;
  readonly caveat?: string;
  /** By signing in with the browser. */
  readonly signIn?: readonly RecipeStep[];
  /** With an API key, which stays in an environment variable or in the client's own store. */
  readonly key?: readonly RecipeStep[];
}

export interface RecipeTarget {
  /** What the client calls it: letters, digits, `_` and `-`. */
  readonly name: string;
  readonly url: string;
}

/** `{name}`, `{url}` and `{env}` of a text. */
export function fill(text: string, { name, url }: RecipeTarget): string {
  const values: Readonly<Record<string, string>> = { name, url, env: keyVariable(name) };
  return text.replace(/\{(name|url|env)\}/g, (_, place: string) => values[place] ?? '');
}

export const keyVariable = (name: string): string => `${name.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}_KEY`;

/** Base64 of UTF-8, as text in an address: `+`, `/` and `=` must not stay as they are. */
export function linkOf({ prefix, payload, encoding }: RecipeLink, target: RecipeTarget): string {
  const text = fill(payload, target);
  const bytes = new TextEncoder().encode(text);
  const packed = encoding === 'base64' ? btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) : text;
  return prefix.replaceAll('{name}', encodeURIComponent(target.name)) + encodeURIComponent(packed);
}

/** A name that every client takes. */
export const clientName = (text: string): string =>
  text.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '') || 'gatehouse';
