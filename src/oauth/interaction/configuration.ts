/** What oidc-provider is told of our pages: when to ask, and where. */
import { type Configuration, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { isConsentKnown } from '#records/consents.ts';
import { findUser } from '#records/users.ts';
import { askedBy, consentOf } from './asked.ts';

/** `issuer`: no trailing slash. */
export function interactionSettings(db: Db, issuer: string): NonNullable<Configuration['interactions']> {
  return { policy: policy(db), url: (_ctx, interaction) => `${issuer}/interaction/${interaction.uid}` };
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
