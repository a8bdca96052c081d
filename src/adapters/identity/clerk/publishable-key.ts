/** The Frontend API that a publishable key names (`pk_live_` and Base64 of its host and `$`); undefined: no such key. */
export function frontendApiOf(publishableKey: string): string | undefined {
  const encoded = /^pk_(?:live|test)_([A-Za-z0-9+/_-]+={0,2})$/.exec(publishableKey)?.[1];
  if (encoded === undefined) return undefined;
  const host = /^([a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d{1,5})?)\$$/i.exec(
    Buffer.from(encoded, 'base64').toString('latin1'),
  );
  return host?.[1] === undefined ? undefined : `https://${host[1].toLowerCase()}`;
}
