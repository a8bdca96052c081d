/** HashiCorp Vault (or OpenBao): the transit engine over HTTP, the context as associated data of an AEAD key. */
import { z } from 'zod';
import type { KeyContext, Kms, KmsDeps } from '#adapters/kms/kms.ts';
import { ask, contextBytes, openTokens, readText, type Token } from '#adapters/kms/remote.ts';
import type { Adapter } from '#core/adapter.ts';

const name = z.string().regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be a path of letters, digits, "_", "." and "-"');

const config = z.strictObject({
  address: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, '')),
  mount: name.default('transit'),
  key: z.string().regex(/^[\w.-]+$/),
  namespace: name.optional(),
  /** One of: a token; a role of the Kubernetes method with the pod's own token; an AppRole. */
  token: z.string().min(1).optional(),
  kubernetesRole: z.string().min(1).optional(),
  jwtFile: z.string().min(1).default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
  roleId: z.string().min(1).optional(),
  secretId: z.string().min(1).optional(),
  authMount: name.optional(),
});

type Settings = z.output<typeof config>;

export const vaultKms: Adapter<'vault', typeof config, KmsDeps, Kms> = {
  kind: 'vault',
  title: 'HashiCorp Vault (transit)',
  config,
  open: openVaultKms,
};

const encrypted = z.object({ data: z.object({ ciphertext: z.string().regex(/^vault:v\d+:/) }) });
const decrypted = z.object({ data: z.object({ plaintext: z.base64() }) });
const described = z.object({ data: z.object({ latest_version: z.int() }) });
const loggedIn = z.object({ auth: z.object({ client_token: z.string(), lease_duration: z.number() }) });

function openVaultKms(settings: Settings, deps: KmsDeps): Kms {
  const { address, mount, key, namespace, token } = settings;
  const common: Record<string, string> = {
    'content-type': 'application/json',
    'x-vault-request': 'true',
    ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
  };
  const tokens = token === undefined ? openTokens(deps.clock, () => logIn(settings, common, deps)) : async () => token;
  const headers = async () => ({ ...common, 'x-vault-token': await tokens() });
  const prefix = `vault:${mount}/${key}`;
  let kekId = prefix;
  const knows = (id: string) => id === prefix || id.startsWith(`${prefix}:v`);

  async function call(action: 'encrypt' | 'decrypt', fields: object): Promise<unknown> {
    const url = `${address}/v1/${mount}/${action}/${key}`;
    return JSON.parse(await ask({ what: `Vault ${action}`, url, headers, body: JSON.stringify(fields) }, deps));
  }

  const associated = (context: KeyContext) => ({ associated_data: contextBytes(context).toString('base64') });
  return {
    get kekId() {
      return kekId;
    },
    knows,
    async wrap(dek, context) {
      const answer = await call('encrypt', { plaintext: dek.toString('base64'), ...associated(context) });
      const { ciphertext } = encrypted.parse(answer).data;
      kekId = `${prefix}:${ciphertext.split(':')[1]}`;
      return { kekId, wrapped: Buffer.from(ciphertext).toString('base64url') };
    },
    async unwrap({ kekId: id, wrapped }, context) {
      if (!knows(id)) throw new Error(`Vault key ${id} is not configured`);
      const ciphertext = Buffer.from(wrapped, 'base64url').toString();
      return Buffer.from(
        decrypted.parse(await call('decrypt', { ciphertext, ...associated(context) })).data.plaintext,
        'base64',
      );
    },
    async refresh() {
      const url = `${address}/v1/${mount}/keys/${key}`;
      const text = await ask({ what: 'Vault', method: 'GET', url, headers }, deps);
      kekId = `${prefix}:v${described.parse(JSON.parse(text)).data.latest_version}`;
    },
    async close() {},
  };
}

async function logIn(settings: Settings, headers: Readonly<Record<string, string>>, deps: KmsDeps): Promise<Token> {
  const { address, kubernetesRole, jwtFile, roleId = '', secretId = '', authMount } = settings;
  const fields =
    kubernetesRole === undefined
      ? { role_id: roleId, secret_id: secretId }
      : { role: kubernetesRole, jwt: await readText(deps, jwtFile) };
  const url = `${address}/v1/auth/${authMount ?? (kubernetesRole === undefined ? 'approle' : 'kubernetes')}/login`;
  const text = await ask({ what: 'Vault login', url, headers: () => headers, body: JSON.stringify(fields) }, deps);
  const { client_token, lease_duration } = loggedIn.parse(JSON.parse(text)).auth;
  return { value: client_token, lifeSeconds: lease_duration };
}
