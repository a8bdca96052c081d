/** What can be done with one pending authorization request, over oidc-provider's record of it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import { errors, type InteractionResults } from 'oidc-provider';
import type { IdentityProvider, RedirectSignIn, SignedIn } from '#adapters/identity/identity.ts';
import { asGatehouseError } from '#core/error.ts';
import type { Sealer } from '#core/sealer.ts';
import { withPlatform } from '#db/scope.ts';
import { parseResource, type ResourceRules } from '#oauth/resource.ts';
import type { Strangers } from '#oauth/strangers.ts';
import type { AuditTrail } from '#records/audit/event.ts';
import { isConsentKnown, putConsent } from '#records/consents.ts';
import { findUser, type User } from '#records/users.ts';
import { type Asked, approvalOf, askedBy, consentOf, plainName } from './asked.ts';
import { openAttempts } from './attempts.ts';
import { organizationHint, type ProvisionDeps, provision } from './provision.ts';
import { openSignInTrail } from './sign-in-trail.ts';
import type { NoticeKey } from './texts.ts';

export interface InteractionsDeps extends ProvisionDeps {
  /** Its provider is another one after each change of the signing keys. */
  readonly server: { readonly provider: Provider; readonly strangers: Strangers };
  /** No trailing slash. */
  readonly issuer: string;
  /** Those in broker mode. */
  readonly providers: readonly IdentityProvider[];
  readonly rules: ResourceRules;
  readonly sealer: Sealer;
  readonly trail?: AuditTrail | undefined;
  readonly readAddress?: ((socketAddress: string, forwardedFor: string | undefined) => string) | undefined;
}

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

export interface Loaded {
  readonly interaction: Interaction;
  readonly asked: Asked;
}

interface Entrant {
  readonly provider: IdentityProvider;
  readonly person: SignedIn;
  /** Unix milliseconds: before the person was looked at. */
  readonly sinceMs: number;
}

type Outcome = { readonly onward: string } | { readonly error: NoticeKey };

/** Methods that answer a URL: where the browser goes on. */
export interface Interactions {
  /** Throws oidc-provider's SessionNotFound: over, or not this browser's. */
  load(uid: string, req: IncomingMessage, res: ServerResponse): Promise<Loaded>;
  /** Whom the page names as signed in; undefined: nobody, or they have to sign in anew. */
  personOf(loaded: Loaded): Promise<string | undefined>;
  /** undefined: the page must be shown. */
  withoutAsking(loaded: Loaded): Promise<string | undefined>;
  /** undefined: nobody is signed in. */
  allow(loaded: Loaded): Promise<string | undefined>;
  deny(loaded: Pick<Loaded, 'interaction'>, error: 'access_denied' | 'server_error'): Promise<string>;
  signOut(loaded: Loaded, req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** To the identity provider. Throws `identity_unavailable`. */
  start(
    loaded: Loaded,
    provider: IdentityProvider,
    signIn: RedirectSignIn,
  ): Promise<{ readonly onward: string; readonly cookie: string }>;
  /** Back from it. */
  finish(
    callback: URL,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<{ readonly outcome: Outcome; readonly cookie?: string }>;
  /** After a password was right. */
  enter(loaded: Loaded, entrant: Entrant, req: IncomingMessage, res: ServerResponse): Promise<string>;
  /** After a password was wrong. */
  refuse(username: string, provider: string, req: IncomingMessage): Promise<void>;
  /** A code that was issued and not used yet. */
  isCode(text: string): Promise<boolean>;
}

export function openInteractions(deps: InteractionsDeps): Interactions {
  const { server, issuer, db, log } = deps;
  const trail = openSignInTrail(deps);
  const attempts = openAttempts({ ...deps, secure: issuer.startsWith('https:') });

  async function finishWith(interaction: Interaction, result: InteractionResults): Promise<string> {
    interaction.result = result;
    await interaction.persist();
    return interaction.returnTo;
  }

  async function signedInUser({ interaction }: Loaded): Promise<User | undefined> {
    const subject = interaction.session?.accountId;
    if (subject === undefined || interaction.prompt.name !== 'consent') return undefined;
    return withPlatform(db, (scope) => findUser(scope, { column: 'subject', value: subject }));
  }

  async function grant({ interaction, asked }: Loaded, user: User): Promise<string> {
    const { prompt, lastSubmission } = interaction;
    const grantId = await saveGrant(server.provider, interaction, user.subject);
    const consent = consentOf(asked, user.id);
    if (consent) await withPlatform(db, (scope) => putConsent(scope, consent));
    const { clientId } = asked.client;
    log.info({ event: 'consent', user: user.id, client: clientId, reasons: prompt.reasons }, 'sign-in: access allowed');
    await trail.consented(user, clientId);
    const login = lastSubmission?.login;
    return finishWith(interaction, { ...(login && { login }), consent: { grantId } });
  }

  /** The one who signs in last is the one who is signed in: another's session ends here, and no cookie of it lives on. */
  async function enter(
    { interaction }: Pick<Loaded, 'interaction'>,
    entrant: Entrant & { readonly approval: string },
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<string> {
    const user = await provision(deps, entrant.provider, entrant.person);
    const { signedOutAt = 0 } = user;
    if (!user.active || signedOutAt > entrant.sinceMs) {
      log.warn({ event: 'sign_in_refused', user: user.id }, 'sign-in: the account is deactivated, or was signed out');
      await trail.refused(req, { user, provider: entrant.provider.name, reason: 'sign_in_denied' });
      return deny({ interaction }, 'access_denied');
    }
    const session = await server.provider.Session.get(server.provider.createContext(req, res));
    if (session.accountId !== undefined && session.accountId !== user.subject) await session.destroy();
    interaction.session = undefined;
    log.info({ event: 'sign_in', user: user.id, provider: entrant.provider.name }, 'sign-in: a person signed in');
    await trail.entered(req, user, entrant.provider.name);
    // To the second, as the library counts: never before the moment that ended all earlier sign-ins. Said here, since the
    // library would count from the step after: a browser held back in between would outlive what ends sign-ins meanwhile.
    const ts = Math.max(Math.floor(deps.clock.now() / 1000), Math.ceil(signedOutAt / 1000));
    const login = { accountId: user.subject, ts };
    return finishWith(interaction, { login, approved: entrant.approval });
  }

  function deny({ interaction }: Pick<Loaded, 'interaction'>, error: 'access_denied' | 'server_error') {
    const error_description =
      error === 'access_denied' ? 'The sign-in was refused' : 'The identity provider gave no usable answer';
    return finishWith(interaction, { error, error_description });
  }

  async function redeem(interaction: Interaction, { callback, state, attempt, req, res }: Redeemed): Promise<string> {
    const identity = deps.providers.find(({ name }) => name === attempt.provider);
    if (identity?.signIn?.method !== 'redirect') return deny({ interaction }, 'server_error');
    const { memory, organization, loginHint, approval } = attempt;
    const request = {
      redirectUri: `${issuer}/callback`,
      state,
      memory,
      ...(organization !== undefined && { organization }),
      ...(loginHint !== undefined && { loginHint }),
    };
    const sinceMs = deps.clock.now();
    try {
      const person = await identity.signIn.finish(callback, request);
      return await enter({ interaction }, { provider: identity, person, approval, sinceMs }, req, res);
    } catch (thrown) {
      const error = asGatehouseError(thrown);
      const denied = error.code === 'sign_in_denied';
      log[denied ? 'warn' : 'error'](
        { event: 'sign_in_failed', provider: identity.name, error: error.code, err: error.cause ?? error },
        'sign-in: the identity provider let nobody in',
      );
      await trail.refused(req, { provider: identity.name, reason: error.code });
      return deny({ interaction }, denied ? 'access_denied' : 'server_error');
    }
  }

  return {
    async load(uid, req, res) {
      const interaction = await server.provider.interactionDetails(req, res);
      if (interaction.uid !== uid) throw new errors.SessionNotFound('another interaction');
      const client = await server.provider.Client.find(String(interaction.params.client_id));
      if (!client) throw new errors.InvalidClient('client is invalid', 'client not found');
      return { interaction, asked: askedBy(client, interaction.params) };
    },
    async personOf(loaded) {
      const user = await signedInUser(loaded);
      return user && (plainName(user.email ?? user.username ?? user.name) ?? user.subject);
    },
    async withoutAsking(loaded) {
      const user = await signedInUser(loaded);
      if (!user?.active) return undefined;
      const { interaction, asked } = loaded;
      const { lastSubmission, prompt } = interaction;
      const justNow =
        lastSubmission?.approved === approvalOf(asked) && lastSubmission.login?.accountId === user.subject;
      if (justNow) return grant(loaded, user);
      const consent = prompt.reasons.includes('consent_prompt') ? undefined : consentOf(asked, user.id);
      const known = consent && (await withPlatform(db, (scope) => isConsentKnown(scope, consent)));
      return known ? grant(loaded, user) : undefined;
    },
    async allow(loaded) {
      const user = await signedInUser(loaded);
      return user?.active ? grant(loaded, user) : undefined;
    },
    deny,
    async signOut({ interaction }, req, res) {
      const session = await server.provider.Session.get(server.provider.createContext(req, res));
      if (session.accountId !== undefined) {
        await session.destroy();
        await trail.left(req, session.accountId);
      }
      interaction.session = undefined;
      await interaction.persist();
    },
    async start({ interaction, asked }, identity, signIn) {
      const state = attempts.newState();
      const organization = await hintFor(deps, asked);
      const hint = interaction.params.login_hint;
      const hints = {
        ...(organization !== undefined && { organization }),
        ...(typeof hint === 'string' && { loginHint: hint.slice(0, 320) }),
      };
      const { url, memory } = await signIn.start({ redirectUri: `${issuer}/callback`, state, ...hints });
      const approval = approvalOf(asked);
      const kept = { interaction: interaction.uid, provider: identity.name, approval, memory, ...hints };
      return { onward: url, cookie: await attempts.keep(state, kept) };
    },
    async finish(callback, req, res) {
      const [state = '', ...more] = callback.searchParams.getAll('state');
      const taken = more.length === 0 && state !== '' ? await attempts.take(state, req.headers.cookie) : undefined;
      const { attempt, cookie } = taken ?? {};
      const cleared = cookie === undefined ? {} : { cookie };
      const interaction = attempt && (await server.provider.Interaction.find(attempt.interaction));
      if (!attempt || !interaction) {
        const error = attempt ? 'expired' : 'invalid_state';
        log.warn({ event: 'callback_refused', reason: error }, 'sign-in: a callback was refused');
        await trail.refused(req, { provider: attempt?.provider, reason: 'invalid_request' });
        return { outcome: { error }, ...cleared };
      }
      const onward = await redeem(interaction, { callback, state, attempt, req, res });
      return { outcome: { onward }, ...cleared };
    },
    enter: (loaded, entrant, req, res) => enter(loaded, { ...entrant, approval: approvalOf(loaded.asked) }, req, res),
    refuse: (account, provider, req) => trail.refused(req, { account, provider, reason: 'sign_in_denied' }),
    isCode: async (text) =>
      /^[A-Za-z0-9_-]{20,128}$/.test(text) && (await server.provider.AuthorizationCode.find(text))?.isValid === true,
  };
}

interface Redeemed {
  readonly callback: URL;
  readonly state: string;
  readonly attempt: {
    provider: string;
    approval: string;
    memory: string;
    organization?: string | undefined;
    loginHint?: string | undefined;
  };
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** What is missing, and nothing more: oidc-provider would ask for ever for what it misses (IDENTITY 1, trap 1). */
async function saveGrant(provider: Provider, interaction: Interaction, subject: string): Promise<string> {
  const clientId = String(interaction.params.client_id);
  const { details } = interaction.prompt;
  const known = interaction.grantId === undefined ? undefined : await provider.Grant.find(interaction.grantId);
  const fits = known?.accountId === subject && known.clientId === clientId;
  const grant = fits && known ? known : new provider.Grant({ accountId: subject, clientId });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = details;
  const texts = (value: unknown) => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);
  grant.addOIDCScope(texts(missingOIDCScope).join(' '));
  grant.addOIDCClaims(texts(missingOIDCClaims));
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, texts(scopes).join(' '));
  }
  return grant.save();
}

async function hintFor({ db, rules }: InteractionsDeps, { resources }: Asked): Promise<string | undefined> {
  const parsed = parseResource(resources[0] ?? '', rules);
  if (parsed?.kind !== 'endpoint') return undefined;
  return withPlatform(db, (scope) => organizationHint(scope, parsed.path.organization));
}
