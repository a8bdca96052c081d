/** Links to the page that sends a browser on (see `onwardPage`): only ones made here lead anywhere. */
import type { Sealer } from '#core/sealer.ts';

interface OnwardDeps {
  /** No trailing slash. */
  readonly issuer: string;
  readonly sealer: Sealer;
}

const placeOf = (uid: string) => `interaction-next:${uid}`;

/** `uid`: of the interaction that it belongs to, or `sign-out`. */
export function onwardLink({ issuer, sealer }: OnwardDeps, uid: string, url: string): string {
  return `${issuer}/interaction/${uid}/next?to=${sealer.seal(placeOf(uid), url)}`;
}

export function openOnward(sealer: Sealer, uid: string, sealed: unknown): string | undefined {
  return typeof sealed === 'string' ? sealer.open(placeOf(uid), sealed) : undefined;
}
