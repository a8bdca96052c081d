import { randomBytes } from 'node:crypto';

/** 192 bits; the prefix tells these sessions from those of streamable HTTP where one server may have both. */
export const mintSseSessionId = (): string => `sse.${randomBytes(24).toString('base64url')}`;

export const isSseSessionId = (id: string): boolean => /^sse\.[\w-]{32}$/.test(id);
