/** What styles written by components must carry: the gateway sends another one with every page. */
export const cspNonce = (): string => document.querySelector('meta[name="csp-nonce"]')?.getAttribute('content') ?? '';

/** What locks scrolling below a dialog writes a style too, and looks for its nonce here (`get-nonce`). */
export const shareNonce = (): void => {
  Object.assign(window, { __webpack_nonce__: cspNonce() });
};
