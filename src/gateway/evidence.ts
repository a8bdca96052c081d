/** What the trail keeps of a call beside who, what and when: by which policies it was decided, and a trace of its arguments. */
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import { findMember, type Message } from '#mcp/message.ts';
import { sealContent } from '#records/audit/content.ts';
import type { AuditKeys } from '#records/audit/keys.ts';
import { redacted } from '#records/audit/redact.ts';
import type { CallRecord } from '#records/call-record.ts';
import type { OrganizationSnapshot } from '#records/snapshot.ts';
import type { Vault } from '#records/vault.ts';
import type { Call } from './call.ts';

export type Evidence = Pick<CallRecord, 'policyVersion' | 'argumentDigest'> & {
  /** What is kept of the arguments, sealed: one and the same for all records of a call. Never rejects; null: nothing. */
  readonly content?: Promise<string | null>;
};

/** Never throws. */
export type FindEvidence = (call: Call, organization: OrganizationSnapshot) => Evidence;

const none: Evidence = { policyVersion: null, argumentDigest: null };

/** Larger arguments leave their digest only. */
const maxContentBytes = 64 * 1024;

export interface EvidenceDeps {
  readonly keys: Pick<AuditKeys, 'argumentDigest'>;
  readonly vault: Pick<Vault, 'seal'>;
  readonly log: Log;
}

export function openEvidence({ keys, vault, log }: EvidenceDeps): FindEvidence {
  const sealed = new WeakMap<Call, Promise<string | null>>();
  /** The digest is on record in any case: what cannot be sealed is not kept. */
  const seal = (org: OrgId, id: string, given: Buffer) =>
    sealContent(vault, { org, id }, readable(given)).catch((err: unknown) => {
      log.error({ err, org }, 'the arguments of a call could not be sealed for the trail');
      return null;
    });
  return (call, organization) => {
    const { id, message } = call;
    const { policies, auditContent = 'digest' } = organization;
    const policyVersion = policies.length > 0 ? policyVersionOf(organization) : null;
    const given = auditContent === 'none' ? undefined : argumentsOf(message);
    if (!given) return policyVersion === null ? none : { ...none, policyVersion };
    const argumentDigest = keys.argumentDigest(organization.id, given);
    const keepsContent = auditContent === 'redacted' && given.length <= maxContentBytes;
    if (!keepsContent) return { policyVersion, argumentDigest };
    const content = sealed.get(call) ?? seal(organization.id, id, given);
    sealed.set(call, content);
    return { policyVersion, argumentDigest, content };
  };
}

/** The bytes of `params.arguments` as they were sent. */
function argumentsOf(message: Message | undefined): Buffer | undefined {
  const member =
    message?.method === 'tools/call' || message?.method === 'prompts/get'
      ? findMember(message.params, 'arguments')
      : undefined;
  return message && member && message.bytes.subarray(member.valueStart, member.valueEnd);
}

function readable(bytes: Buffer): string {
  return JSON.stringify(redacted(JSON.parse(bytes.toString('utf8'))));
}

const versions = new WeakMap<OrganizationSnapshot, string>();

/** Which policies there were, each with its count of changes: equal where the same policies decided. */
function policyVersionOf(organization: OrganizationSnapshot): string {
  const known = versions.get(organization);
  if (known !== undefined) return known;
  const made = organization.policies
    .map(({ name, version, mode }) => `${name}@${version}${mode === 'log' ? '?' : ''}`)
    .join(' ')
    .slice(0, 512);
  versions.set(organization, made);
  return made;
}
