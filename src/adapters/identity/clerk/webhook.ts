/** Clerk's webhooks come through Svix: signed as Standard Webhooks has it, under headers of its own names. */
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { type CommonSettings, mapRoles } from '#adapters/identity/common.ts';
import type { DirectoryChange, WebhookReader } from '#adapters/identity/identity.ts';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';

const eventSchema = z.looseObject({
  type: z.string().min(1).max(128),
  timestamp: z.number().optional(),
  data: z.looseObject({ id: z.string().optional(), updated_at: z.number().optional() }),
});

type Data = Readonly<Record<string, unknown>>;
type Settings = Pick<CommonSettings, 'roleMapping'>;

export function openClerkWebhook(secret: Secret, settings: Settings): WebhookReader {
  const webhook = new Webhook(secret.reveal());
  return {
    read(headers, body) {
      const id = headers['svix-id'] ?? headers['webhook-id'] ?? '';
      const time = headers['svix-timestamp'] ?? headers['webhook-timestamp'] ?? '';
      const signature = headers['svix-signature'] ?? headers['webhook-signature'] ?? '';
      const fields = { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature };
      const parsed = eventSchema.safeParse(verified(webhook, body, fields));
      if (!parsed.success || id.length > 256) throw new GatehouseError('bad_request', { message: 'No event of Clerk' });
      const { type, timestamp, data } = parsed.data;
      const removed = type.endsWith('.deleted');
      // A removal says nothing but the id, or has the time of the last change before it.
      const said = removed ? timestamp : (data.updated_at ?? timestamp);
      return { id, type, at: said ?? Number(time) * 1000, change: changeOf(type, data, { removed, settings }) };
    },
  };
}

function verified(webhook: Webhook, body: Buffer, fields: Record<string, string>): unknown {
  try {
    return webhook.verify(body.toString(), fields);
  } catch (cause) {
    throw new GatehouseError('bad_request', { message: 'The signature is wrong or too old', cause });
  }
}

interface How {
  readonly removed: boolean;
  readonly settings: Settings;
}

function changeOf(type: string, data: Data, { removed, settings }: How): DirectoryChange | undefined {
  const [noun, verb = ''] = type.split('.');
  const id = text(data.id);
  if (id === undefined || !/^(?:created|updated|deleted)$/.test(verb)) return undefined;
  if (noun === 'user')
    return { kind: 'user', id, removed, active: data.banned !== true && data.locked !== true, ...person(data) };
  if (noun === 'organization') {
    const [name, slug] = [text(data.name), text(data.slug)];
    return {
      kind: 'organization',
      id,
      removed,
      ...(name !== undefined && { name }),
      ...(slug !== undefined && { slug }),
    };
  }
  if (noun !== 'organizationMembership') return undefined;
  const organization = text(asData(data.organization).id);
  const user = text(asData(data.public_user_data).user_id);
  if (organization === undefined || user === undefined) return undefined;
  const role = text(data.role);
  const roles = mapRoles(settings, { roles: role === undefined ? [] : [role], groups: [] });
  return { kind: 'membership', id: `${organization} ${user}`, removed, organization, user, active: true, roles };
}

function person(data: Data) {
  const addresses = Array.isArray(data.email_addresses) ? data.email_addresses.map(asData) : [];
  const primary = addresses.find(({ id }) => id === data.primary_email_address_id);
  const email = text(primary?.email_address);
  const name = [text(data.first_name), text(data.last_name)].filter((part) => part !== undefined).join(' ');
  const username = text(data.username);
  return {
    ...(email !== undefined && { email, emailVerified: asData(primary?.verification).status === 'verified' }),
    ...(name !== '' && { name }),
    ...(username !== undefined && { username }),
  };
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const asData = (value: unknown): Data => (typeof value === 'object' && value !== null ? { ...value } : {});
