/** What the portal asks first: who is here, what they may, and what proves that a request comes from its page. */

export interface PortalOrganization {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly isMember: boolean;
  readonly roles: readonly string[];
  /** As in the contract: no wildcards. */
  readonly permissions: readonly string[];
}

export interface PortalSession {
  /** null: nobody in person, by a link. */
  readonly user: {
    readonly id: string;
    readonly name: string | null;
    readonly email: string | null;
    readonly username: string | null;
  } | null;
  readonly kind: 'person' | 'link' | 'open-webui';
  readonly isPlatform: boolean;
  /** On the platform, as in the contract: all or none. */
  readonly permissions: readonly string[];
  /** Of a platform administrator all there are, up to a hundred; else one's own. */
  readonly organizations: readonly PortalOrganization[];
  readonly organizationsTruncated: boolean;
  /** For `x-csrf-token`, while this session lasts. */
  readonly csrf: string;
  /** ISO 8601; null where another application keeps the session. */
  readonly signedInAt: string | null;
  readonly expiresAt: string | null;
  readonly idleExpiresAt: string | null;
  /** Until then dangerous routes work; null: they always do. */
  readonly freshUntil: string | null;
  readonly gateway: {
    readonly version: string;
    readonly baseUrl: string;
    readonly isDemo: boolean;
    /** Clients elsewhere reach it. */
    readonly hasPublicUrl: boolean;
    /** With a browser, by its own sign-in. */
    readonly canSignIn: boolean;
    readonly isOpenWebui: boolean;
  };
}
