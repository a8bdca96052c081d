import type { Lines } from './line.ts';

/** Defects that such systems have shipped: a regression test proves each absent. */
export const x: Lines = {
  '0.1': 'an enforced filter cannot be avoided by null, arrays, strings or batches',
  '0.2': 'a text/plain body is refused and nothing dies',
  '0.3': 'tokens are bound to issuer and audience',
  '0.4': 'strangers learn no names; no provider call per request; SIGTERM is graceful; metadata is checked',
  '0.5': 'both slash forms are served, never redirected',
  '1.1': 'PKCE, codes, refresh tokens and client authentication are strict; introspection is owned',
  '1.2': 'consent per user, client and redirect; state belongs to the browser',
  '1.3': 'redirects are compared exactly; pages escape; an empty allow-list admits nobody',
  '1.4': "/verify trusts only the router's headers and challenges correctly",
  '1.5': 'children: own environment, drained stderr, bound sessions, notifications, limits',
  '1.6': "claude.ai's needs: registration URI, suffixed documents, exact resource, no metadata on key-only addresses",
  '2.1': 'an unknown path is 404 and reaches no admin API',
  '2.2': 'group overage, replayed id_tokens and scope collapse are handled',
  '2.3': 'static registration hands out no more than it must',
  '2.4': 'no smuggling by batch, content type or list results',
  '2.5': 'gates are on every path and enforced; no decorative settings',
  '3.1': 'identity headers and parameters of strangers have no effect; no user means no access',
  '3.2': 'keys are sealed, every part of the portal is guarded, tenant keys and routing apply on every path',
  '3.3': 'limits are keyed on the real address, streams pass, endpoints are guarded, prefixes are exact',
  '3.4': 'identity without e-mail works, credential health is shown, many tools stay usable',
  '4.1': 'no enabled server means no access',
  '4.2': 'every list and transport is filtered; tokens without organization are usable',
  '4.3': 'tokens are verified, sessions random and bound, failures are failures, webhooks lose nothing',
};
