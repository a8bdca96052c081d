/** What can be told of, in people's words. */
export const events = [
  { value: 'server.failing', label: 'A server does not answer' },
  { value: 'tool.changed', label: 'A tool’s definition changed' },
  { value: 'access.requested', label: 'Somebody asks for access' },
  { value: 'key.expiring', label: 'An API key expires within seven days' },
  { value: 'account.failed', label: 'A connected account no longer works' },
  { value: 'calls.denied', label: 'Many calls are refused' },
] as const;

export type EventName = (typeof events)[number]['value'];

export const kinds = [
  { value: 'webhook', label: 'Webhook (signed)' },
  { value: 'slack', label: 'Slack-style webhook' },
  { value: 'email', label: 'E-mail' },
] as const;

export type KindName = (typeof kinds)[number]['value'];

export const labelOf = (event: string): string => events.find(({ value }) => value === event)?.label ?? event;
