/** Entra's refusals: the number that people search for, the OAuth error it comes with, and the sentence. */
import type { FakeReply } from './fake-server.ts';

export interface EntraFault {
  readonly code: string;
  readonly error: string;
  readonly text: string;
}

const faults: Readonly<Record<string, readonly [error: string, text: string]>> = {
  AADSTS50011: [
    'invalid_request',
    "The redirect URI '%' specified in the request does not match the redirect URIs configured for the application.",
  ],
  AADSTS50020: [
    'invalid_request',
    'User account does not exist in tenant and cannot access the application in that tenant.',
  ],
  AADSTS54005: [
    'invalid_grant',
    'OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.',
  ],
  AADSTS65004: ['access_denied', 'User declined to consent to access the app.'],
  AADSTS70000: [
    'invalid_grant',
    'The provided value for the input parameter "refresh_token" or "assertion" is not valid.',
  ],
  AADSTS70003: ['unsupported_grant_type', 'The app requested an unsupported grant type.'],
  AADSTS90002: [
    'invalid_tenant',
    'Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.',
  ],
  AADSTS90023: ['invalid_request', 'Unsupported prompt value.'],
  AADSTS90094: [
    'access_denied',
    'An administrator of the directory has set a policy that prevents you from granting the application the permissions it is requesting.',
  ],
  AADSTS501481: [
    'invalid_grant',
    'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
  ],
  AADSTS650053: [
    'invalid_client',
    `The application asked for scope '%' that doesn't exist on the resource '00000003-0000-0000-c000-000000000000'. Contact the app vendor.`,
  ],
  AADSTS700016: ['unauthorized_client', 'Application was not found in the directory.'],
  AADSTS700025: [
    'invalid_client',
    "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
  ],
  AADSTS700054: ['unsupported_response_type', 'response_type is not enabled for the application.'],
  AADSTS900144: ['invalid_request', "The request body must contain the following parameter: '%'."],
  AADSTS901002: ['invalid_request', "The 'resource' request parameter is not supported."],
  AADSTS1002012: [
    'invalid_scope',
    'The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.',
  ],
  AADSTS7000215: [
    'invalid_client',
    'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.',
  ],
  AADSTS7000218: [
    'invalid_client',
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  ],
  AADSTS9010010: [
    'invalid_target',
    "The resource parameter provided in the request doesn't match with the requested scopes.",
  ],
};

export function entraFault(code: string, detail = ''): EntraFault {
  const [error = 'server_error', text = 'Unknown'] = faults[code] ?? [];
  return { code, error, text: text.replace('%', detail) };
}

const describe = ({ code, text }: EntraFault) =>
  `${code}: ${text} Trace ID: 0a0a0a0a-0000-4000-8000-000000000000 Correlation ID: 0b0b0b0b-0000-4000-8000-000000000000 Timestamp: 2026-01-01 00:00:00Z`;

/** Of the token endpoint. */
export function faultReply(fault: EntraFault): FakeReply {
  const unauthorized = fault.error === 'invalid_client' && fault.code !== 'AADSTS650053';
  return {
    status: unauthorized ? 401 : 400,
    body: {
      error: fault.error,
      error_description: describe(fault),
      error_codes: [Number(fault.code.slice('AADSTS'.length))],
      timestamp: '2026-01-01 00:00:00Z',
      trace_id: '0a0a0a0a-0000-4000-8000-000000000000',
      correlation_id: '0b0b0b0b-0000-4000-8000-000000000000',
    },
  };
}

/** Shown to the person: there is no safe place to send the browser back to. */
export function faultPage(fault: EntraFault): FakeReply {
  return { status: 400, body: `<html>${describe(fault)}</html>`, headers: { 'content-type': 'text/html' } };
}

export function redirectFault(fault: EntraFault, redirectUri: string, state: string | null): FakeReply {
  const target = new URL(redirectUri);
  target.searchParams.set('error', fault.error);
  target.searchParams.set('error_description', describe(fault));
  if (state !== null) target.searchParams.set('state', state);
  return { status: 302, body: '', headers: { location: target.href } };
}
