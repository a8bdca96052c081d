/** Definitions of tools that are approved or wait. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import { organizationRef, pin, slug, text } from '#admin/nouns.ts';
import { listing } from './lists.ts';

const org = { organization: organizationRef };
const pinDecision = {
  ...org,
  server: slug,
  partition: text.optional(),
  tool: z.string().min(1).max(256),
  /** Of the definition that was looked at: another one is not decided on. */
  hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be the hash of what waits'),
};

const pins = listing(pin, {
  id: ['server', 'partition', 'tool'],
  sort: ['server', 'tool', 'state'],
  search: ['server', 'tool'],
});

export const pinRoutes = {
  listPins: {
    method: 'GET',
    path: '/organizations/:organization/pins',
    summary: 'Definitions of tools that are approved or wait, with what changed',
    permission: 'admin:pins:read',
    scope: 'organization',
    audit: 'pin.list',
    status: 200,
    input: z.strictObject({ ...org, server: slug.optional(), state: pin.shape.state.optional(), ...pins.input }),
    output: pins.output,
    list: pins.list,
  },
  approvePin: {
    method: 'POST',
    path: '/organizations/:organization/pins/approve',
    summary: 'Approve the definition of a tool that waits',
    permission: 'admin:pins:write',
    scope: 'organization',
    audit: 'pin.approve',
    status: 200,
    input: z.strictObject(pinDecision),
    output: pin,
  },
  rejectPin: {
    method: 'POST',
    path: '/organizations/:organization/pins/reject',
    summary: 'Refuse the definition of a tool that waits: what was approved stays',
    permission: 'admin:pins:write',
    scope: 'organization',
    audit: 'pin.reject',
    status: 200,
    input: z.strictObject(pinDecision),
    output: pin,
  },
} as const satisfies Record<string, AdminRoute>;
