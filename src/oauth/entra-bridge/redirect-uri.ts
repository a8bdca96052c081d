import { redirectKindOf } from '#oauth/registration/redirect-uri.ts';

/**
 * Of a form that a code may be sent to at all. Which of them are this application's, Entra's registration says; there is no
 * page of ours on the way back, so "out of band" leads nowhere.
 */
export function isSafeRedirectUri(uri: string): boolean {
  const kind = redirectKindOf(uri);
  return kind !== undefined && kind !== 'out-of-band';
}
