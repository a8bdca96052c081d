/** What the trail keeps of a call beside who, what and when: by which policies it was decided, and a trace of its arguments. */
import { findMember, type Message } from '#mcp/message.ts';
import type { AuditKeys } from '#records/audit/keys.ts';
import { redacted } from '#records/audit/redact.ts';
import type { CallRecord } from '#records/call-record.ts';
import type { OrganizationSnapshot } from '#records/snapshot.ts';
import type { Call } from './call.ts';

export type Evidence = Pick<CallRecord, 'policyVersion' | 'argumentDigest' | 'content'>;

/** Never throws. */
export type FindEvidence = (call: Call, organization: OrganizationSnapshot) => Evidence;

const none: Evidence = { policyVersion: null, argumentDigest: null, content: null };

/** Larger arguments leave their digest only. */
const maxContentBytes = 64 * 1024;

export function openEvidence(keys: Pick<AuditKeys, 'argumentDigest' | 'sealContent'>): FindEvidence {
  return ({ id, message }, organization) => {
    const { policies, auditContent = 'digest' } = organization;
    const policyVersion = policies.length > 0 ? policyVersionOf(organization) : null;
    const given = auditContent === 'none' ? undefined : argumentsOf(message);
    if (!given) return policyVersion === null ? none : { ...none, policyVersion };
    const argumentDigest = keys.argumentDigest(organization.id, given);
    const keepsContent = auditContent === 'redacted' && given.length <= maxContentBytes;
    const content = keepsContent ? keys.sealContent(organization.id, id, readable(given)) : null;
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
