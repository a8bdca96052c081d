/** Nothing writes markup but React: a style sheet is plain text, everything else that reaches innerHTML is refused. */
interface PolicyFactory {
  createPolicy(name: string, rules: { readonly createHTML: (text: string) => string | null }): unknown;
}

const { trustedTypes } = window as unknown as { readonly trustedTypes?: PolicyFactory };
trustedTypes?.createPolicy('default', { createHTML: (text) => (text.includes('<') ? null : text) });
