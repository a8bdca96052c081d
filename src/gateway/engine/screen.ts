/**
 * Content filters at work: whole messages are looked through before anything of them goes on (SECURITY D13): arguments and
 * answers to questions on their way to a server; results, errors, notifications and questions on their way back; every text
 * in them, keys and numbers too, and what is base64 of a text. What was found goes by name into the call's record.
 */
import type { ContentFilter } from '#adapters/filter/filter.ts';
import { GatehouseError } from '#core/error.ts';
import type { Json, JsonObject } from '#core/json.ts';
import { isJsonObject } from '#core/json.ts';
import type { Call } from '#gateway/call.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import type { Binding, ContentFilterSource } from '#records/snapshot.ts';
import type { Asking } from './asking.ts';
import { redact } from './screen-texts.ts';

export interface Filters {
  /** Throws for one that cannot be opened. */
  open(source: ContentFilterSource): Promise<ContentFilter>;
}

interface Opened {
  readonly source: ContentFilterSource;
  /** undefined: it could not be opened. */
  readonly filter: ContentFilter | undefined;
}

export interface Screen {
  /** The same caller, hearing and asked through the filters. */
  readonly asking: Asking;
  /** Throws `content_blocked`. */
  toServer(params: JsonObject): JsonObject;
  /** Throws `content_blocked`. */
  toCaller(result: JsonObject): JsonObject;
}

/** Runs `work` through the filters of a binding. */
export async function screened(
  asking: Asking,
  binding: Binding,
  { filters, work }: { readonly filters: Filters; readonly work: (screen: Screen) => Promise<JsonObject> },
): Promise<JsonObject> {
  const sources = binding.filters ?? [];
  const opened = await Promise.all(
    sources.map(async (source) => ({ source, filter: await filters.open(source).catch(() => undefined) })),
  );
  const screen = screenOf(asking, opened);
  try {
    return screen.toCaller(await work(screen));
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    const { code, message, data } = thrown;
    const seen = screen.toCaller({ message, ...(data === undefined ? {} : { data }) });
    throw new RpcError(code, String(seen.message), seen.data);
  }
}

function screenOf(asking: Asking, opened: readonly Opened[]): Screen {
  const { call } = asking;
  const inward = opened.filter(({ source }) => source.looksAt !== 'results');
  const outward = opened.filter(({ source }) => source.looksAt !== 'arguments');
  const toServer = (params: JsonObject) => look(params, inward, call);
  const toCaller = (result: JsonObject) => look(result, outward, call);
  const { ask } = asking;
  return {
    toServer,
    toCaller,
    asking: {
      ...asking,
      notify(method, params) {
        asking.notify(method, seenOrNothing(params, toCaller));
      },
      ask: ask && (async (method, params) => toServer(await ask(method, toCaller(params)))),
    },
  };
}

/** A notification that is blocked arrives empty: nobody waits for an answer to it. */
function seenOrNothing(params: JsonObject, toCaller: (value: JsonObject) => JsonObject): JsonObject {
  try {
    return toCaller(params);
  } catch {
    const { progressToken, progress, total, level } = params;
    const kept = { progressToken, progress, total, level };
    const entries = Object.entries(kept).filter((entry): entry is [string, Json] => entry[1] !== undefined);
    return { ...Object.fromEntries(entries), ...(level === undefined ? {} : { data: '[blocked]' }) };
  }
}

function look(message: JsonObject, opened: readonly Opened[], call: Call): JsonObject {
  // Sealed by the gateway itself, and nobody else's to read.
  const { requestState, ...rest } = message;
  let seen: JsonObject = rest;
  for (const { source, filter } of opened) {
    if (!filter) {
      note(call, `${source.name}:unavailable:${source.action}`);
      if (source.action !== 'flag') throw blocked(source);
      continue;
    }
    const found = new Set<string>();
    const heavy = filter.weigh?.(Buffer.byteLength(JSON.stringify(seen)));
    if (heavy) found.add(heavy);
    const redacted = filter.inspect ? redact(seen, filter.inspect.bind(filter), found) : seen;
    for (const name of found) note(call, `${source.name}:${name}:${source.action}`);
    if (found.size > 0 && (source.action === 'block' || (heavy && source.action === 'redact'))) throw blocked(source);
    if (source.action === 'redact' && isJsonObject(redacted)) seen = redacted;
  }
  return requestState === undefined ? seen : { ...seen, requestState };
}

const blocked = ({ name }: ContentFilterSource) =>
  new GatehouseError('content_blocked', { message: `Blocked by the content filter "${name}"` });

const MOST_FINDINGS = 50;

function note(call: Call, finding: string): void {
  const known = call.findings ?? [];
  if (known.length < MOST_FINDINGS && !known.includes(finding)) call.findings = [...known, finding];
}
