/** WorkOS webhooks: header `workos-signature: t=<ms>,v1=<hex>`, an HMAC over time and body; events of AuthKit and of directories. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type CommonSettings, mapRoles } from '#adapters/identity/common.ts';
import type { DirectoryChange, DirectoryEvent, IdentityDeps, WebhookReader } from '#adapters/identity/identity.ts';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';

const toleranceMs = 5 * 60_000;

const eventSchema = z.looseObject({
  id: z.string().min(1).max(256),
  event: z.string().min(1).max(128),
  created_at: z.string(),
  data: z.looseObject({ updated_at: z.string().optional() }),
});

type Data = Readonly<Record<string, unknown>>;
type Settings = Pick<CommonSettings, 'roleMapping'>;

export function openWorkosWebhook(secret: Secret, settings: Settings, { clock }: IdentityDeps): WebhookReader {
  return {
    read(headers, body) {
      checkSignature(headers['workos-signature'], body, { secret, now: clock.now() });
      const parsed = eventSchema.safeParse(parseJson(body));
      if (!parsed.success) throw new GatehouseError('bad_request', { message: 'No event of WorkOS' });
      return asEvent(parsed.data, settings);
    },
  };
}

/** Throws `bad_request`. */
function checkSignature(
  header: string | undefined,
  body: Buffer,
  { secret, now }: { secret: Secret; now: number },
): void {
  const parts = new Map((header ?? '').split(',').map((part) => splitOnce(part.trim())));
  const [time = '', given = ''] = [parts.get('t'), parts.get('v1')];
  const expected = createHmac('sha256', secret.reveal()).update(`${time}.`).update(body).digest();
  const presented = Buffer.from(/^[0-9a-f]{64}$/i.test(given) ? given : '', 'hex');
  const isSigned = presented.length === expected.length && timingSafeEqual(presented, expected);
  if (!isSigned || !(Math.abs(now - Number(time)) <= toleranceMs)) throw badSignature();
}

const badSignature = () => new GatehouseError('bad_request', { message: 'The signature is wrong or too old' });

function splitOnce(text: string): [string, string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function asEvent({ id, event, created_at, data }: z.output<typeof eventSchema>, settings: Settings): DirectoryEvent {
  const [noun = '', verb = ''] = [event.slice(0, event.lastIndexOf('.')), event.slice(event.lastIndexOf('.') + 1)];
  const removed = verb === 'deleted' || verb === 'user_removed';
  // A removal has the time of the last change before it.
  const at = Date.parse(removed ? created_at : (data.updated_at ?? created_at));
  if (Number.isNaN(at)) throw new GatehouseError('bad_request', { message: 'No event of WorkOS' });
  const known = /^(?:created|updated|deleted|user_added|user_removed)$/.test(verb);
  return { id, type: event, at, change: known ? changeOf(noun, data, { removed, verb, settings }) : undefined };
}

interface How {
  readonly removed: boolean;
  readonly verb: string;
  readonly settings: Settings;
}

function changeOf(noun: string, data: Data, { removed, verb, settings }: How): DirectoryChange | undefined {
  const id = text(data.id);
  const organization = text(data.organization_id) ?? '';
  if (noun === 'dsync.group' && (verb === 'user_added' || verb === 'user_removed')) return groupMember(data, removed);
  if (id === undefined) return undefined;
  if (noun === 'user') return { kind: 'user', id, removed, active: true, ...person(data) };
  if (noun === 'organization') return { kind: 'organization', id, removed, ...has('name', text(data.name)) };
  if (noun === 'organization_membership') {
    const user = text(data.user_id) ?? '';
    const active = data.status === 'active';
    return {
      kind: 'membership',
      id: `${organization} ${user}`,
      removed,
      organization,
      user,
      active,
      roles: rolesOf(data, settings),
    };
  }
  if (organization === '') return undefined;
  if (noun === 'dsync.user')
    return { kind: 'person', id, removed, organization, active: data.state !== 'inactive', ...directoryPerson(data) };
  if (noun === 'dsync.group') return { kind: 'group', id, removed, organization, name: text(data.name) ?? id };
  return undefined;
}

function groupMember({ user, group, ...data }: Data, removed: boolean): DirectoryChange | undefined {
  const [of, who] = [asData(group), asData(user)];
  const organization = text(of.organization_id) ?? text(who.organization_id) ?? text(data.organization_id);
  const [groupId, personId] = [text(of.id), text(who.id)];
  if (organization === undefined || groupId === undefined || personId === undefined) return undefined;
  return {
    ...{ kind: 'group-member', id: `${groupId} ${personId}`, removed, organization, group: groupId, person: personId },
    groupName: text(of.name) ?? groupId,
    who: { ...directoryPerson(who), active: who.state !== 'inactive' },
  };
}

const slug = z.looseObject({ slug: z.string() });

function rolesOf({ role, roles }: Data, settings: Settings): readonly string[] {
  const found = [role, ...(Array.isArray(roles) ? roles : [])].flatMap((one) => {
    const parsed = slug.safeParse(one);
    return parsed.success ? [parsed.data.slug] : [];
  });
  return mapRoles(settings, { roles: [...new Set(found)], groups: [] });
}

const nameOf = ({ first_name, last_name }: Data) =>
  [text(first_name), text(last_name)].filter(Boolean).join(' ') || undefined;

const person = (data: Data) => ({
  ...has('email', text(data.email)),
  emailVerified: data.email_verified === true,
  ...has('name', nameOf(data)),
});

function directoryPerson(data: Data) {
  const emails = Array.isArray(data.emails) ? data.emails.map(asData) : [];
  const email = text(data.email) ?? text((emails.find(({ primary }) => primary === true) ?? emails[0])?.value);
  return { ...has('email', email), ...has('name', nameOf(data)), ...has('username', text(data.username)) };
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const asData = (value: unknown): Data => (typeof value === 'object' && value !== null ? { ...value } : {});

function has<Name extends string>(name: Name, value: string | undefined): { readonly [Key in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]?: string });
}
