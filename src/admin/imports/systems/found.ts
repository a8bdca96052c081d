/**
 * The way over from another gateway: each system has a reader here that turns its data into one value in our words, `Found`,
 * and one writer (write.ts) makes rows of that. A reader writes nothing and trusts nothing: what it cannot take, it leaves out
 * and says why. The writer adds what is missing and changes nothing that is here.
 */
import type { z } from 'zod';
import type { WantedPolicy } from '#admin/apply-policies.ts';
import type { Secret } from '#core/secret.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { ToolsInput } from '#records/tool-shaping.ts';

/** What does not come along as it was; never a secret in it. */
export interface LeftOut {
  readonly what: string;
  readonly reason: string;
}

export interface FoundServer {
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
  readonly keyName?: string | undefined;
  /** Where it answers beside its path. */
  readonly port?: number | undefined;
  readonly active?: boolean | undefined;
  /** Of a program: sealed. */
  readonly variables?: Readonly<Record<string, string>>;
}

export interface FoundCollection {
  readonly organization: string;
  readonly name: string;
  readonly allowedRoles: readonly string[] | '*';
  readonly server: string;
  readonly partition?: string | undefined;
  readonly credential?: Secret | undefined;
  readonly filters?: Readonly<Record<string, unknown>> | undefined;
  readonly tools?: ToolsInput | undefined;
}

export interface FoundGroup {
  readonly organization: string;
  readonly name: string;
  readonly title?: string | undefined;
  readonly externalId?: string | undefined;
  /** Addresses in lower case. */
  readonly members: readonly string[];
  /** Keys of servers. */
  readonly servers: readonly string[];
}

export interface FoundCredential {
  readonly organization: string;
  readonly server: string;
  readonly group: string | undefined;
  readonly keyName: string;
  readonly credential: Secret | undefined;
  readonly url: string | undefined;
}

/** Whoever an identity provider knows by this subject. */
export interface FoundMember {
  readonly organization: string;
  readonly provider: string;
  readonly subject: string;
  readonly email: string | undefined;
  readonly name: string | undefined;
  readonly roles: readonly string[];
}

/** A key of which the other gateway knew the SHA-256 (hexadecimal, of all of it): it goes on being good. */
export interface FoundKey {
  readonly organization: string;
  readonly name: string;
  readonly sha256: string;
  /** Unix milliseconds; undefined: until revoked. */
  readonly expiresAt: number | undefined;
}

/** An OAuth client that goes on with its id, its secret and the token of its registration. Unix milliseconds. */
export interface FoundClient {
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly secret: Secret | undefined;
  readonly registrationToken: Secret | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
}

export interface FoundUsage {
  readonly timestamp: string;
  readonly email: string | null;
  readonly method: string;
  readonly endpoint: string;
  readonly status: number;
  readonly durationMs: number;
  readonly userAgent: string | null;
  readonly address: string;
}

export interface Found {
  /** Found again by slug or external id. */
  readonly organizations: readonly {
    readonly slug: string;
    readonly name: string;
    readonly externalId?: string | undefined;
  }[];
  readonly servers: readonly FoundServer[];
  readonly enablements: readonly {
    readonly organization: string;
    readonly server: string;
    readonly allMembers: boolean;
  }[];
  readonly collections: readonly FoundCollection[];
  readonly groups: readonly FoundGroup[];
  readonly grants: readonly { readonly organization: string; readonly email: string; readonly server: string }[];
  readonly credentials: readonly FoundCredential[];
  readonly policies: readonly WantedPolicy[];
  readonly members: readonly FoundMember[];
  readonly clients: readonly FoundClient[];
  readonly keys: readonly FoundKey[];
  /** Whose requests: of the organization; read batch after batch, while it is written, anew each time. */
  readonly usage:
    | { readonly organization: string; readonly batches: () => AsyncIterable<readonly FoundUsage[]> }
    | undefined;
  /** Of the settings what is to be done about each; values stay where they are. */
  readonly settings: readonly { readonly name: string; readonly advice: string }[];
  readonly leftOut: readonly LeftOut[];
}

export const nothingFound: Found = {
  ...{ organizations: [], servers: [], enablements: [], collections: [], groups: [], grants: [], credentials: [] },
  ...{ policies: [], members: [], clients: [], keys: [], usage: undefined, settings: [], leftOut: [] },
};

const MAX_SHOWN = 80;

/** A stranger's text inside a sentence of ours. */
export const quoted = (text: unknown): string => {
  const plain = String(text).replace(/[\p{Cc}\p{Cf}]/gu, '?');
  return JSON.stringify(plain.length > MAX_SHOWN ? `${plain.slice(0, MAX_SHOWN)}…` : plain);
};

/** Rows that are as they must be; each other one is left out, with what is wrong with it. `name`: of columns that are no secret. */
export function taken<T>(
  rows: readonly unknown[],
  schema: z.ZodType<T>,
  { name, leftOut }: { readonly name: (row: Readonly<Record<string, unknown>>) => string; readonly leftOut: LeftOut[] },
): readonly T[] {
  return rows.flatMap((row) => {
    const parsed = schema.safeParse(row);
    if (parsed.success) return [parsed.data];
    const [issue] = parsed.error.issues;
    const where = issue?.path.map(String).join('.') ?? '';
    const known = typeof row === 'object' && row !== null ? (row as Readonly<Record<string, unknown>>) : {};
    leftOut.push({ what: name(known), reason: `${where} ${issue?.message ?? 'is wrong'}`.trim() });
    return [];
  });
}
