/** The protocol revisions of MCP and the era each belongs to (PROTOCOL: `initialize` handshake, or per-request `_meta`). */
export const MODERN_VERSION = '2026-07-28';
export const modernVersions: readonly string[] = [MODERN_VERSION];
export const legacyVersions: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'];

export type Era = 'legacy' | 'modern';

export const eraOf = (version: string): Era => (modernVersions.includes(version) ? 'modern' : 'legacy');
