/** One message to one target: signed webhook (standardwebhooks.com), Slack-style webhook, or e-mail over SMTP. */
import { randomBytes } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import type { NotificationTarget, SealedTarget } from '#admin/routes/notifications.ts';
import type { Config } from '#config/load.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { AddressGuard } from '#http/address-guard.ts';
import { checkTarget } from '#http/check-target.ts';
import type { Egress } from '#http/egress.ts';
import type { NotificationKind } from '#records/notifications.ts';

export interface Message {
  /** The same for every attempt. */
  readonly id: string;
  readonly at: number;
  readonly type: 'gatehouse.notification' | 'gatehouse.test';
  readonly organization: string;
  readonly items: readonly { readonly event: string; readonly text: string; readonly url: string }[];
}

/** As it is sealed. */
const target = z.object({
  url: z.string().optional(),
  secret: z.string().optional(),
  to: z.array(z.string()).optional(),
});
type Target = z.output<typeof target>;

export interface Delivery {
  /** Why not; undefined: it was delivered. Never rejects. */
  send(kind: NotificationKind, opened: string, message: Message): Promise<string | undefined>;
}

export interface DeliveryDeps {
  readonly egress: Pick<Egress, 'fetch'>;
  readonly smtp: Config['notifications']['smtp'];
}

const deadlineMs = 10_000;

export function openDelivery({ egress, smtp }: DeliveryDeps): Delivery {
  const post = async (url: string, body: string, headers: Readonly<Record<string, string>> = {}) => {
    const answer = await egress.fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      signal: AbortSignal.timeout(deadlineMs),
    });
    await answer.body?.cancel();
    return answer.ok ? undefined : `It answered ${answer.status}`;
  };
  const mail = async (to: readonly string[], message: Message) => {
    if (!smtp) return 'There is no mail server: set notifications.smtp in gatehouse.yaml';
    const { host, port, secure, user, password, from } = smtp;
    const transport = createTransport({
      ...{ host, port, secure, requireTLS: user !== undefined && !secure },
      ...(user !== undefined && { auth: { user, pass: password?.reveal() ?? '' } }),
      ...{ connectionTimeout: deadlineMs, greetingTimeout: deadlineMs, socketTimeout: deadlineMs },
      ...{ disableFileAccess: true, disableUrlAccess: true },
    });
    try {
      await transport.sendMail({ from, to: [...to], subject: subjectOf(message), text: textOf(message) });
      return undefined;
    } finally {
      transport.close();
    }
  };
  return {
    async send(kind, opened, message) {
      try {
        const { url = '', secret = '', to = [] } = target.parse(JSON.parse(opened));
        if (kind === 'email') return await mail(to, message);
        if (kind === 'slack') return await post(url, JSON.stringify({ text: slackText(message) }));
        return await postSigned(post, { url, secret }, message);
      } catch (thrown) {
        return kind === 'email' ? `The mail server refused: ${wordOf(thrown)}` : asGatehouseError(thrown).message;
      }
    },
  };
}

type Post = (url: string, body: string, headers: Readonly<Record<string, string>>) => Promise<string | undefined>;

function postSigned(post: Post, { url, secret }: Required<Pick<Target, 'url' | 'secret'>>, message: Message) {
  const { id, at, type, organization, items } = message;
  const body = JSON.stringify({ type, timestamp: new Date(at).toISOString(), data: { organization, items } });
  // The time of this attempt: receivers refuse what is old.
  const now = new Date();
  return post(url, body, {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, now, body),
  });
}

/** Of a mail server: its code and its answer, never what was sent. */
function wordOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'no reason given';
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : thrown.name;
  const status = 'responseCode' in thrown && typeof thrown.responseCode === 'number' ? ` ${thrown.responseCode}` : '';
  return `${code}${status}`;
}

const plain = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/g, ' ');

function subjectOf({ type, organization, items }: Message): string {
  if (type === 'gatehouse.test') return `Gatehouse: a test for ${plain(organization)}`;
  const [first] = items;
  const more = items.length > 1 ? ` and ${items.length - 1} more` : '';
  return plain(`Gatehouse, ${organization}: ${first?.text ?? ''}${more}`).slice(0, 200);
}

const textOf = ({ items }: Message): string => items.map(({ text, url }) => `${plain(text)}\n${url}\n`).join('\n');

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** Names are anybody's: nothing in them becomes a link or calls everybody. */
const slackText = ({ organization, items }: Message): string =>
  [`Gatehouse, ${organization}`, ...items.map(({ text, url }) => `• ${plain(text)}\n${url}`)]
    .join('\n')
    .replace(/[&<>]/g, (character) => escapes[character] ?? '');

/** Throws `bad_request` for a target that does not fit the kind, or that the gateway may not reach. */
export async function targetOf(
  kind: NotificationKind,
  { url, to }: NotificationTarget,
  { guard, before }: { readonly guard: AddressGuard; readonly before: string | undefined },
): Promise<Omit<SealedTarget, 'sealed'> & { readonly text: string }> {
  if (kind === 'email') {
    if (!to || url !== undefined) throw new GatehouseError('bad_request', { message: 'E-mail needs addresses in to' });
    const [first = ''] = to;
    const shown = to.length === 1 ? first : `${first} and ${to.length - 1} more`;
    return { text: JSON.stringify({ to }), shown, signingSecret: undefined };
  }
  if (url === undefined || to) throw new GatehouseError('bad_request', { message: 'A webhook needs a url' });
  const checked = await checkTarget(guard, url);
  const kept = before === undefined ? undefined : target.parse(JSON.parse(before)).secret;
  const made = kind === 'webhook' && kept === undefined ? `whsec_${randomBytes(32).toString('base64')}` : undefined;
  const secret = kept ?? made;
  const { host } = new URL(checked);
  return { text: JSON.stringify({ url: checked, ...(secret && { secret }) }), shown: host, signingSecret: made };
}
