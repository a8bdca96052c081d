/** Routes of the admin API about getting in to the portal. */
import { z } from 'zod';

export const portalRoutes = {
  createPortalLink: {
    method: 'POST',
    path: '/portal-links',
    summary: 'A link that signs a browser in to the portal as the platform: once, within ten minutes',
    permission: 'admin:portal:write',
    scope: 'platform',
    audit: 'portal.link',
    status: 201,
    input: z.strictObject({}),
    output: z.object({ url: z.url(), expiresAt: z.iso.datetime() }),
  },
} as const;
