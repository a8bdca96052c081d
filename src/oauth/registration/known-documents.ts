/**
 * Metadata documents of programs that name nothing but one, and go on to nothing else where it can't be had: for gateways
 * without a way to the Internet. Written from what the programs ask for, not copied from what their authors publish, and
 * used only where that cannot be fetched. Codes go to loopback only, which is what anybody could register, so that nobody
 * gains by keeping us from reading the real one.
 */
type KnownDocument = Readonly<Record<string, unknown>> & { readonly client_id: string };

const native = (client_id: string, client_name: string): KnownDocument => ({
  client_id,
  client_name,
  redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
});

const documents: readonly KnownDocument[] = [
  native('https://claude.ai/oauth/claude-code-client-metadata', 'Claude Code'),
  native('https://chatgpt.com/oauth/codex/client.json', 'Codex'),
];

export const findKnownDocument = (url: string): KnownDocument | undefined =>
  documents.find(({ client_id }) => client_id === url);
