/** Policies, OAuth clients, and the requests of the past. */
import { sql } from 'kysely';
import { type PolicyEngine, PolicyProblem } from '#adapters/policy/policy.ts';
import type { WantedPolicy } from '#admin/apply-policies.ts';
import { canonical } from '#admin/canonical.ts';
import { findPlaces, knownServers, targetOf } from '#admin/policy-places.ts';
import { importedKey } from '#records/api-key.ts';
import { findClient, insertClient } from '#records/clients.ts';
import { insertKey } from '#records/keys.ts';
import type { Found, FoundClient, FoundKey, FoundUsage } from './found.ts';
import type { Writing } from './write.ts';

export async function writePolicies(writing: Writing, policies: readonly WantedPolicy[]): Promise<void> {
  const { records, made, kept, engine } = writing;
  for (const item of policies) {
    const organization = writing.organization(item.organization);
    const what = `policies ${organization.slug}/${item.name}`;
    const { name, onError, mode } = item;
    const places = await findPlaces(records, organization);
    const target = targetOf(places, item);
    const config = item.policies === undefined ? (item.config ?? {}) : engine.configOf(item.policies);
    const problems = problemsOf(engine, config, knownServers(places, target));
    if (problems.length > 0) {
      kept.push({ what, reason: problems.join('; ') });
      continue;
    }
    const values = { name, onError, mode, ...target, config, managedBy: 'api' as const };
    const found = (await records.listPolicies(organization.id)).find((row) => row.name === name);
    if (!found) {
      await records.insertPolicy(organization.id, values);
      made.push(what);
    } else if (canonical([found.config, found.server ?? null]) !== canonical([config, target.server ?? null]))
      kept.push({ what, reason: 'they are here already, and say something else' });
  }
}

function problemsOf(engine: PolicyEngine, ...given: Parameters<PolicyEngine['check']>): readonly string[] {
  try {
    return engine.check(...given).errors;
  } catch (thrown) {
    if (thrown instanceof PolicyProblem) return [thrown.message];
    throw thrown;
  }
}

export async function writeClients(writing: Writing, clients: readonly FoundClient[]): Promise<void> {
  const { db, clock, made, kept } = writing;
  for (const { id, metadata, secret, registrationToken, createdAt, expiresAt } of clients) {
    const what = `client ${id}`;
    const found = await findClient(db, id, clock.now());
    if (found) {
      if (canonical(found.metadata) !== canonical(metadata))
        kept.push({ what, reason: 'it has been changed here since' });
      continue;
    }
    await insertClient(db, {
      ...{ id, metadata, createdAt, expiresAt },
      secretSealed: secret && writing.sealClientSecret(id, secret.reveal()),
      registrationDigest: registrationToken && writing.digest(registrationToken.reveal()),
      // It was signed in through already: it does not lapse with the unused ones.
      signedInAt: createdAt,
    });
    made.push(what);
  }
}

/** Found by what the other gateway knew of them; a name that is taken here gets a number. */
export async function writeKeys(writing: Writing, keys: readonly FoundKey[]): Promise<void> {
  const { records, made, kept, apiKeys } = writing;
  for (const { organization: ref, name: given, sha256, expiresAt } of keys) {
    const { id: org, slug } = writing.organization(ref);
    const { id, secret } = importedKey(sha256);
    const what = `API key ${slug}/${given}`;
    // Of any organization: an id is unique.
    const known = await records.asPlatform(({ tx }) =>
      tx.selectFrom('api_keys').select(['org_id', 'revoked_at']).where('id', '=', id).executeTakeFirst(),
    );
    if (known && (known.org_id !== org || known.revoked_at !== null))
      kept.push({ what, reason: known.revoked_at ? 'it is revoked here' : "it is another organization's here" });
    if (known) continue;
    const names = new Set(
      (await records.listKeys(org)).filter((key) => key.revokedAt === undefined).map((key) => key.name),
    );
    let name = given;
    for (let count = 2; names.has(name); count++) name = `${given} ${count}`;
    const row = { id, name, digest: apiKeys.digest(secret), last4: '', roles: [], expiresAt };
    await records.within(org, (scope) => insertKey(scope, row));
    made.push(what);
  }
}

/** Times were kept to the millisecond on the way. What has no id of its own that means something here is the same request if all that is known of it is the same. */
export async function writeUsage(
  writing: Writing,
  { organization, batches }: NonNullable<Found['usage']>,
): Promise<void> {
  const { id, slug } = writing.organization(organization);
  let count = 0;
  for await (const batch of batches()) {
    if (batch.length === 0) continue;
    const { rows } = await writing.records.asPlatform(({ tx }) => insertBatch(id, batch).execute(tx));
    count += rows.length;
  }
  if (count > 0) writing.made.push(`usage ${slug}: ${count} requests`);
}

const insertBatch = (org: string, batch: readonly FoundUsage[]) => sql<{ id: string }>`
  insert into gateway.usage (id, org_id, timestamp, user_email, method, endpoint, status_code, response_time_ms,
    bytes_in, bytes_out, user_agent, client_ip, open)
  select gateway.uuidv7(), ${org}::uuid, r.timestamp, r.email, r.method, r.endpoint, r.status, r."durationMs", 0, 0,
    r."userAgent", r.address, false
  from jsonb_to_recordset(${JSON.stringify(batch)}::jsonb) as r(timestamp timestamptz, email text, method text,
    endpoint text, status integer, "durationMs" double precision, "userAgent" text, address text)
  where not exists (select from gateway.usage u
    where u.timestamp between r.timestamp - interval '1 ms' and r.timestamp + interval '1 ms' and u.endpoint = r.endpoint
    and u.method = r.method and u.status_code = r.status and lower(u.user_email) is not distinct from r.email)
  returning id`;
