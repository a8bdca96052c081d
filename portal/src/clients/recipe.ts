/**
 * How clients are connected, as data: recipes with places for a name, an address and the name of a variable that holds a
 * key. Never a key itself, and none in a link.
 */
export interface Recipe {
  readonly id: string;
  readonly name: string;
  readonly group: 'Editors' | 'Terminals' | 'Apps' | 'Programs';
  /** How it proves who it is. */
  readonly auth: 'oauth' | 'key' | 'both';
  /** It connects from elsewhere than the person's machine: the gateway must be on the internet, with https. */
  readonly isRemote?: true;
  /** It takes no more tools. */
  readonly maxTools?: number;
  readonly oauth?: Way;
  readonly key?: Way;
  readonly caveats?: readonly string[];
  /** Of the sources that it was written from. */
  readonly verifiedOn: string;
}

export interface Way {
  readonly steps?: readonly string[];
  /** Lines for a terminal. */
  readonly command?: string;
  readonly file?: { readonly path: string; readonly language: 'json' | 'toml' | 'yaml'; readonly text: string };
  /** `{config:base64}` and `{config:url}` stand for `config`, encoded for a link. */
  readonly link?: { readonly template: string; readonly config: string };
}

export interface Places {
  /** As the client calls it. */
  readonly name: string;
  readonly url: string;
  /** Variable that holds a key. */
  readonly variable: string;
}

/** What every client takes as a name. */
export const clientName = (name: string): string =>
  name.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '') || 'gatehouse';

export const variableOf = (name: string): string => `${clientName(name).replaceAll('-', '_').toUpperCase()}_KEY`;

export const fill = (template: string, { name, url, variable }: Places): string =>
  template.replaceAll('{name}', name).replaceAll('{url}', url).replaceAll('{variable}', variable);

const base64 = (text: string): string =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));

const schemes = new Set(['https:', 'cursor:', 'vscode:', 'lmstudio:']);

/** undefined: it leads where no client of ours is. */
export function linkOf({ template, config }: NonNullable<Way['link']>, places: Places): string | undefined {
  const text = fill(config, places);
  const href = fill(template, { ...places, url: encodeURIComponent(places.url), name: encodeURIComponent(places.name) })
    .replaceAll('{config:base64}', encodeURIComponent(base64(text)))
    .replaceAll('{config:url}', encodeURIComponent(text));
  return URL.canParse(href) && schemes.has(new URL(href).protocol) ? href : undefined;
}

/** Only what works: undefined where there is no way with it. */
export function wayOf(recipe: Recipe, auth: 'oauth' | 'key'): Way | undefined {
  return recipe.auth === 'both' || recipe.auth === auth ? recipe[auth] : undefined;
}

/** From the internet, with https. */
export function isPublic(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  const isInner =
    /^(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[)/.test(hostname) || !hostname.includes('.');
  return protocol === 'https:' && !isInner && !/\.(local|internal|lan)$/.test(hostname);
}
