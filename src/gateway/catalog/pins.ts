/**
 * Which definition of each tool is published (SECURITY F2): what an organization has approved is remembered, and a tool
 * that says something else today is held back. Approved definitions are in memory; what is new goes to the database
 * behind the caller's back, bounded, and is tried again when it fails.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import { type JsonObject, parseJsonObject, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { isNestedWithin } from '#mcp/shape/canonical-json.ts';
import { definitionHash } from '#mcp/shape/definition.ts';
import { hiddenCharacters } from '#mcp/shape/hidden-characters.ts';
import type { PinSighting, ToolPin } from '#records/tool-pins.ts';
import { openPinWriter } from './pin-writer.ts';

export interface PinVerdict {
  /** new: approved at this first sight. held: another definition than the approved one. blocked: not listed, calls refused. */
  readonly state: 'approved' | 'new' | 'held' | 'blocked';
  /** What is published; undefined exactly where blocked. */
  readonly definition: JsonObject | undefined;
}

export interface SeenTools {
  readonly org: OrgId;
  readonly server: ServerId;
  /** Of the binding. */
  readonly partition: string | undefined;
  readonly tools: readonly JsonObject[];
  readonly policy: 'off' | 'hold' | 'block';
  /** Undefined: approve. */
  readonly newTools?: 'approve' | 'hold' | undefined;
}

export interface Pins {
  /**
   * A verdict by real tool name for what a server lists now. Pure memory once the organization is loaded: ask again
   * whenever its snapshot is renewed. Rejects with `storage_unavailable` where what was approved cannot be read.
   */
  check(seen: SeenTools): Promise<ReadonlyMap<string, PinVerdict>>;
  /** What is known of an organization may have changed; undefined: of all. */
  forget(org: OrgId | undefined): void;
  /** Once everything waiting was written, or failed once more. */
  close(): Promise<void>;
}

export interface PinDeps {
  readonly load: (org: OrgId) => Promise<readonly ToolPin[]>;
  /** In one transaction. */
  readonly save: (org: OrgId, sightings: readonly PinSighting[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** Sightings that may wait to be written. Default 10,000. */
  readonly maxWaiting?: number;
}

const maxOrganizations = 1000;
const maxName = 256;
const maxTextBytes = 128 * 1024;
const maxDepth = 64;
const blocked: PinVerdict = { state: 'blocked', definition: undefined };

/** What this replica knows of one tool. */
interface Known {
  readonly approvedHash: string | undefined;
  readonly approved: JsonObject | undefined;
  /** What was reported as waiting last. */
  readonly heldHash: string | undefined;
  readonly rejectedHash: string | undefined;
}

type KnownTools = Map<string, Known>;

export function openPins(deps: PinDeps): Pins {
  const organizations = new LRUCache<OrgId, Promise<KnownTools>>({ max: maxOrganizations });
  const writer = openPinWriter(deps);

  const get = (org: OrgId): Promise<KnownTools> => {
    const found = organizations.get(org);
    if (found) return found;
    const loading = load(org);
    organizations.set(org, loading);
    // The next one who asks tries again.
    loading.catch(() => organizations.get(org) === loading && organizations.delete(org));
    return loading;
  };
  const load = async (org: OrgId): Promise<KnownTools> => {
    const known: KnownTools = new Map((await deps.load(org)).map((pin) => [keyOf(pin), asKnown(pin)]));
    // What was seen here and is not written yet is not seen for the first time again.
    for (const sighting of writer.waiting(org)) {
      const key = keyOf(sighting);
      if (!known.has(key)) known.set(key, seenAs(undefined, sighting));
    }
    return known;
  };

  return {
    async check(seen) {
      if (seen.policy === 'off') return allApproved(seen.tools);
      const known = await get(seen.org);
      const verdicts = new Map<string, PinVerdict>();
      const sightings: PinSighting[] = [];
      for (const [name, { tool, text }] of readTools(seen.tools)) {
        if (tool === undefined || text === undefined) {
          verdicts.set(name, blocked);
          continue;
        }
        const place = { server: seen.server, partition: seen.partition ?? '', tool: name };
        const before = known.get(keyOf(place));
        const hash = definitionHash(tool);
        const { verdict, as } = judge({ tool, hash, before, seen });
        verdicts.set(name, verdict);
        if (!as) continue;
        const flags = hiddenCharacters(tool);
        const sighting: PinSighting = { ...place, as, hash, text, flags, at: deps.clock.now() };
        known.set(keyOf(place), seenAs(before, sighting));
        sightings.push(sighting);
        const fields = { org: seen.org, server: seen.server, tool: name, flags: flags.length };
        if (as === 'held') deps.log.warn(fields, 'a tool waits for approval: its definition is not the approved one');
      }
      writer.add(seen.org, sightings);
      return verdicts;
    },
    forget(org) {
      if (org === undefined) organizations.clear();
      else organizations.delete(org);
    },
    close: () => writer.close(),
  };
}

const keyOf = ({ server, partition, tool }: Pick<ToolPin, 'server' | 'partition' | 'tool'>) =>
  JSON.stringify([server, partition, tool]);

function allApproved(tools: readonly JsonObject[]): ReadonlyMap<string, PinVerdict> {
  const named = tools.map((tool) => [stringIn(tool, 'name') ?? '', { state: 'approved', definition: tool }] as const);
  return new Map(named);
}

interface Usable {
  /** Undefined: too large, too deep, or there are two of the name. */
  readonly tool: JsonObject | undefined;
  readonly text: string | undefined;
}

/** By name; a name that no database can keep is nobody's. */
function readTools(tools: readonly JsonObject[]): ReadonlyMap<string, Usable> {
  const usable = new Map<string, Usable>();
  for (const tool of tools) {
    const name = stringIn(tool, 'name');
    if (name === undefined) continue;
    const isName = name !== '' && name.length <= maxName && !name.includes('\0') && name.isWellFormed();
    const text = isName && isNestedWithin(tool, maxDepth) ? JSON.stringify(tool) : undefined;
    const isSmall = text !== undefined && Buffer.byteLength(text) <= maxTextBytes;
    const other = usable.get(name);
    const isClear = !other || other.text === text;
    usable.set(name, isSmall && isClear ? { tool, text } : { tool: undefined, text: undefined });
  }
  return usable;
}

interface Judging {
  readonly tool: JsonObject;
  readonly hash: string;
  readonly before: Known | undefined;
  readonly seen: SeenTools;
}

interface Judged {
  readonly verdict: PinVerdict;
  /** What is to be remembered; undefined: nothing that isn't known. */
  readonly as: PinSighting['as'] | undefined;
}

/** First sight is trusted, unless it hides characters: nobody could have seen what is approved. */
function judge({ tool, hash, before, seen }: Judging): Judged {
  if (!before) {
    const isTrusted = seen.newTools !== 'hold' && hiddenCharacters(tool).length === 0;
    return isTrusted
      ? { verdict: { state: 'new', definition: tool }, as: 'approved' }
      : { verdict: blocked, as: 'held' };
  }
  if (before.approvedHash === hash) return { verdict: { state: 'approved', definition: tool }, as: undefined };
  const isKnown = before.heldHash === hash || before.rejectedHash === hash;
  const { approved } = before;
  const verdict: PinVerdict = seen.policy === 'hold' && approved ? { state: 'held', definition: approved } : blocked;
  return { verdict, as: isKnown ? undefined : 'held' };
}

function seenAs(before: Known | undefined, { as, hash, text }: PinSighting): Known {
  if (as === 'approved') {
    return { approvedHash: hash, approved: parseJsonObject(text), heldHash: undefined, rejectedHash: undefined };
  }
  return {
    approvedHash: before?.approvedHash,
    approved: before?.approved,
    heldHash: hash,
    rejectedHash: before?.rejectedHash,
  };
}

function asKnown({ approved, held, rejectedHash }: ToolPin): Known {
  return {
    approvedHash: approved?.hash,
    approved: approved && readDefinition(approved.text),
    heldHash: held?.hash,
    rejectedHash,
  };
}

/** Written by hand and broken: nothing is published in its place. */
function readDefinition(text: string): JsonObject | undefined {
  try {
    return parseJsonObject(text);
  } catch {
    return undefined;
  }
}
