/** Text that can only be a secret, wherever it stands: well-known prefixes, JWTs, passwords inside URLs. */
export function looksSecret(value: string): boolean {
  return (
    /^(sk[-_]|ghp_|gho_|github_pat_|xox[abpr]-|AKIA[0-9A-Z]{12}|tnt_|gh_key_)/.test(value) ||
    /^eyJ[\w-]+\.eyJ[\w-]+\./.test(value) ||
    /^-----BEGIN [A-Z ]*PRIVATE KEY/.test(value) ||
    /^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*:[^/@\s]+@/i.test(value)
  );
}
