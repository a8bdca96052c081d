/**
 * The `iss` that a token claims, read without checking anything: good for choosing who is to verify it, for nothing
 * else. Undefined for tokens without one and for whatever isn't a JWT.
 */
export function unverifiedIssuer(token: string): string | undefined {
  const payload = token.split('.', 3)[1];
  if (payload === undefined || token.length > 16 * 1024) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null || !Object.hasOwn(claims, 'iss')) return undefined;
    const issuer: unknown = Reflect.get(claims, 'iss');
    return typeof issuer === 'string' ? issuer : undefined;
  } catch {
    return undefined;
  }
}
