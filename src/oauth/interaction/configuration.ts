/** What oidc-provider is told of our pages: when to ask, where, and how its own few pages look. */
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { errors, interactionPolicy } from 'oidc-provider';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { pageHeaders } from '#http/page.ts';
import { isConsentKnown } from '#records/consents.ts';
import { findUser } from '#records/users.ts';
import { askedBy, consentOf } from './asked.ts';
import { noticePage } from './notice-page.ts';
import { isNoticeKey, notices } from './texts.ts';

type PageConfiguration = Required<Pick<Configuration, 'interactions' | 'renderError'>> & {
  readonly cookieNames: { readonly session: string; readonly interaction: string; readonly resume: string };
};

export interface PageSettings {
  readonly db: Db;
  /** No trailing slash. */
  readonly issuer: string;
}

export function pageConfiguration({ db, issuer }: PageSettings): PageConfiguration {
  const secure = issuer.startsWith('https:');
  // `__Host-` demands the whole site, and two of them lie under one interaction's path.
  const names = secure
    ? { session: '__Host-gw_s', interaction: '__Secure-gw_i', resume: '__Secure-gw_r' }
    : { session: 'gw_s', interaction: 'gw_i', resume: 'gw_r' };
  return {
    cookieNames: names,
    interactions: {
      policy: policy(db),
      url: (_ctx, interaction) => `${issuer}/interaction/${interaction.uid}`,
    },
    renderError(ctx, out, error) {
      const expired = error instanceof errors.SessionNotFound;
      const known = isNoticeKey(out.error) ? out.error : ctx.status >= 500 ? 'server_error' : 'invalid_request';
      const key = expired ? 'expired' : known;
      if (ctx.status < 400) ctx.status = notices[key].status;
      ctx.set(pageHeaders);
      ctx.type = 'html';
      ctx.body = noticePage(notices[key]);
    },
  };
}

/** A session that already has a grant is no consent of its own: the address, the client's word or the scopes may be new. */
function policy(db: Db): interactionPolicy.DefaultPolicy {
  const prompts = interactionPolicy.base();
  const check = new interactionPolicy.Check(
    'consent_unknown',
    'the person has not allowed this yet',
    'consent_required',
    (ctx) => needsConsent(ctx, db),
  );
  const { checks } = prompts.get('consent') ?? {};
  checks?.remove('native_client_prompt');
  checks?.add(check);
  return prompts;
}

async function needsConsent({ oidc }: KoaContextWithOIDC, db: Db): Promise<boolean> {
  const { client, session, params, result } = oidc;
  const subject = session?.accountId;
  if (result?.consent || !client || subject === undefined) return false;
  const asked = askedBy(client, params ?? {});
  return withPlatform(db, async (scope) => {
    const user = await findUser(scope, { column: 'subject', value: subject });
    const consent = user && consentOf(asked, user.id);
    return !consent || !(await isConsentKnown(scope, consent));
  });
}
