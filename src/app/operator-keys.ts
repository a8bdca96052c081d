/**
 * The operator's own keys for servers (REQUIREMENTS S3.13: "else the global variable"): read from the environment at every
 * start, never stored. Each is known by a name that tells its value apart from another one's and nothing else of it.
 */
import { createHmac } from 'node:crypto';
import { deriveKey } from '#core/derive.ts';
import { asCredentialId, type CredentialId } from '#core/ids.ts';
import type { Secret } from '#core/secret.ts';
import type { CredentialOpener, OperatorKey } from '#records/snapshot.ts';

export interface OperatorKeys {
  /** By the server's key. */
  readonly byServer: ReadonlyMap<string, OperatorKey>;
  readonly secrets: ReadonlyMap<CredentialId, Secret>;
}

/** Of the platform; without a credential it has no key. */
export interface OperatorServer {
  readonly key: string;
  readonly credential?: Secret | undefined;
  /** Default: `authorization`, `Bearer {}`. */
  readonly header?: { readonly name: string; readonly template: string } | undefined;
}

const usual = { name: 'authorization', template: 'Bearer {}' };

export function readOperatorKeys(servers: readonly OperatorServer[], rootSecret: Secret): OperatorKeys {
  const naming = deriveKey(rootSecret.reveal(), 'operator-key-name');
  const byServer = new Map<string, OperatorKey>();
  const secrets = new Map<CredentialId, Secret>();
  for (const { key, credential, header = usual } of servers) {
    if (!credential) continue;
    const name = createHmac('sha256', naming).update(`${key}\n${credential.reveal()}`).digest('base64url').slice(0, 22);
    const id = asCredentialId(`operator-${name}`);
    byServer.set(key, { id, header });
    secrets.set(id, credential);
  }
  return { byServer, secrets };
}

/** Its ids are no UUIDs: nothing that is stored is ever mistaken for one of them. */
export function withOperatorKeys(opener: CredentialOpener, { secrets }: OperatorKeys): CredentialOpener {
  if (secrets.size === 0) return opener;
  return {
    find: (credential) => secrets.get(credential.id) ?? opener.find(credential),
    async open(credential) {
      return secrets.get(credential.id) ?? opener.open(credential);
    },
  };
}
