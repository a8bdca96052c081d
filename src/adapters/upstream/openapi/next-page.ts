/** Where an answer says that there is more: RFC 8288's `rel="next"`, and the fields that APIs use instead. */
import { isJsonObject, type Json, type JsonObject, ownIn } from '#core/json.ts';
import type { Operation } from './plan.ts';
import type { RestAnswer } from './rest-client.ts';

export interface NextPage {
  /** In `_meta`. */
  readonly hint: JsonObject;
  /** For models. */
  readonly sentence: string;
}

/** Undefined: nothing says so. `body`: its JSON, where it is some. */
export function findNextPage(answer: RestAnswer, operation: Operation, body: Json | undefined): NextPage | undefined {
  const link = nextLink(answer.headers.get('link') ?? '');
  if (link !== undefined) return byLink(link, answer, operation);
  return isJsonObject(body) ? byFields(body, answer, operation) : undefined;
}

function nextLink(header: string): string | undefined {
  for (const part of header.slice(0, 8192).split(/,(?=\s*<)/)) {
    const [, target, parameters = ''] = /^\s*<([^<>]*)>(.*)$/s.exec(part) ?? [];
    if (target !== undefined && /;\s*rel\s*=\s*"?(?:[^";]*\s)?next(?:["\s;]|$)/i.test(parameters)) return target;
  }
  return undefined;
}

/** As arguments of the same tool. The address itself is no caller's to go to. */
function byLink(link: string, { path }: RestAnswer, operation: Operation): NextPage | undefined {
  const origin = 'http://api.invalid';
  const now = URL.parse(path, origin);
  const next = URL.parse(link, now?.href);
  if (!next || !now) return undefined;
  const changed = operation.parameters.flatMap((parameter): [string, string][] => {
    const value = parameter.in === 'query' ? next.searchParams.get(parameter.name) : null;
    return value === null || value === now.searchParams.get(parameter.name)
      ? []
      : [[parameter.argument, value.slice(0, 1000)]];
  });
  if (changed.length === 0) return undefined;
  const spoken = changed.map(([name, value]) => `${name}=${value}`).join(', ');
  return {
    hint: { arguments: Object.fromEntries(changed) },
    sentence: `There is more: call this tool again with ${spoken}.`,
  };
}

const cursors = ['next_cursor', 'nextCursor', 'next_page_token', 'nextPageToken', 'next_token', 'nextToken', 'cursor'];
const flags = ['has_more', 'hasMore', 'has_next', 'hasNext'];

function byFields(body: JsonObject, answer: RestAnswer, operation: Operation): NextPage | undefined {
  const next = body.next;
  if (typeof next === 'string' && /^(https?:\/\/|\/|\?)/.test(next)) return byLink(next, answer, operation);
  const flag = flags.find((name) => typeof ownIn(body, name) === 'boolean');
  if (flag !== undefined && body[flag] === false) return undefined;
  const places = [body, ...['meta', 'pagination', 'page_info', 'response_metadata'].map((name) => body[name])].filter(
    isJsonObject,
  );
  for (const place of places)
    for (const name of cursors) {
      const value = ownIn(place, name);
      if ((typeof value !== 'string' && typeof value !== 'number') || value === '') continue;
      const cut = String(value).slice(0, 1000);
      return {
        hint: { [name]: cut },
        sentence: `There is more: call this tool again with the cursor ${cut} (${name}).`,
      };
    }
  return flag === undefined ? undefined : { hint: { [flag]: true }, sentence: `There is more (${flag} is true).` };
}
