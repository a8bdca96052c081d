/** The gateway's own pages as a client of its authorization server: so that whoever opens them signs in as everybody does. */
import type { AdapterPayload } from 'oidc-provider';

export const houseClientId = 'gatehouse';
export const signedInPath = '/connect/signed-in';
export const portalSignedInPath = '/mcp-admin/signed-in';

/** Known without a row. It has no secret, and redeems nothing. */
export const houseClient = (issuer: string): AdapterPayload => ({
  client_id: houseClientId,
  client_name: 'Gatehouse',
  redirect_uris: [issuer + signedInPath, issuer + portalSignedInPath],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  token_endpoint_auth_method: 'none',
});
