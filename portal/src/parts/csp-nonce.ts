/** What styles written by components must carry: the gateway sends another one with every page. */
export const cspNonce = (): string => document.querySelector('meta[name="csp-nonce"]')?.getAttribute('content') ?? '';
