/** Routes of groups, of who is in them, and of grants. */
import { z } from 'zod';
import { collectionName, organizationRef, text } from '#admin/nouns.ts';
import {
  email,
  grant,
  group,
  groupMember,
  groupName,
  memberRef,
  rowId,
  serverKey,
  toolNames,
} from '#admin/people-nouns.ts';
import { listing } from './lists.ts';

const org = { organization: organizationRef };
/** By name or id. */
const one = { ...org, group: groupName };
const base = '/organizations/:organization/groups';
const fields = {
  title: z.string().trim().max(512).optional(),
  externalId: text.nullable().optional(),
  priority: z.int().min(0).max(1_000_000).optional(),
};

const groups = listing(group, { id: ['id'], sort: ['priority', 'name'], search: ['name', 'title', 'externalId'] });
const groupMembers = listing(groupMember, {
  id: ['user', 'email', 'key'],
  sort: ['label', 'addedAt'],
  search: ['label', 'email'],
});
const grants = listing(grant, {
  id: ['id'],
  sort: ['server', 'collection', 'group'],
  search: ['group', 'user', 'email', 'server', 'collection', 'tools'],
});

export const groupRoutes = {
  listGroups: {
    method: 'GET',
    path: base,
    summary: 'Groups of an organization, in the order in which they decide about credentials',
    permission: 'admin:groups:read',
    scope: 'organization',
    audit: 'group.list',
    status: 200,
    input: z.strictObject({ ...org, ...groups.input, managedBy: text.optional() }),
    output: groups.output,
    list: groups.list,
  },
  getGroup: {
    method: 'GET',
    path: `${base}/:group`,
    summary: 'A group, with who is in it and what it is granted',
    permission: 'admin:groups:read',
    scope: 'organization',
    audit: 'group.read',
    status: 200,
    input: z.strictObject(one),
    output: group.extend({ people: z.array(groupMember), grants: z.array(grant) }),
  },
  createGroup: {
    method: 'POST',
    path: base,
    summary: 'Make a group: it stays when it is empty',
    permission: 'admin:groups:write',
    scope: 'organization',
    audit: 'group.create',
    status: 201,
    input: z.strictObject({ ...org, name: groupName, ...fields }),
    output: group,
  },
  updateGroup: {
    method: 'PATCH',
    path: `${base}/:group`,
    summary: 'Change a group; null as externalId takes it away',
    permission: 'admin:groups:write',
    scope: 'organization',
    audit: 'group.update',
    status: 200,
    input: z.strictObject({ ...one, name: groupName.optional(), ...fields }),
    output: group,
    changes: 'getGroup',
  },
  removeGroup: {
    method: 'DELETE',
    path: `${base}/:group`,
    summary: 'Remove a group with its members and grants; MCP-Admin stays',
    permission: 'admin:groups:write',
    scope: 'organization',
    audit: 'group.remove',
    status: 200,
    input: z.strictObject(one),
    output: group,
    changes: 'getGroup',
  },
  listGroupMembers: {
    method: 'GET',
    path: `${base}/:group/members`,
    summary: 'Who is in a group',
    permission: 'admin:groups:read',
    scope: 'organization',
    audit: 'group.members',
    status: 200,
    input: z.strictObject({ ...one, ...groupMembers.input }),
    output: groupMembers.output,
    list: groupMembers.list,
  },
  addGroupMember: {
    method: 'POST',
    path: `${base}/:group/members`,
    summary:
      'Put a member, an e-mail address (also before its first sign-in), an API key or a service account into a group',
    permission: 'admin:groups:write',
    scope: 'organization',
    audit: 'group.admit',
    status: 200,
    input: z.strictObject({ ...one, ...memberRef }),
    output: group,
  },
  removeGroupMember: {
    method: 'DELETE',
    path: `${base}/:group/members`,
    summary: 'Take somebody out of a group: what they had by it ends at once',
    permission: 'admin:groups:write',
    scope: 'organization',
    audit: 'group.dismiss',
    status: 200,
    input: z.strictObject({ ...one, ...memberRef }),
    output: group,
  },
  listGrants: {
    method: 'GET',
    path: '/organizations/:organization/grants',
    summary: 'What groups, members and addresses are granted',
    permission: 'admin:grants:read',
    scope: 'organization',
    audit: 'grant.list',
    status: 200,
    input: z.strictObject({
      ...org,
      group: groupName.optional(),
      server: serverKey.optional(),
      ...grants.input,
      user: rowId.optional(),
      collection: collectionName.optional(),
    }),
    output: grants.output,
    list: grants.list,
  },
  putGrant: {
    method: 'PUT',
    path: '/organizations/:organization/grants',
    summary: 'Grant a server, tools of it, or a collection to a group, a member or an address',
    permission: 'admin:grants:write',
    scope: 'organization',
    audit: 'grant.put',
    status: 200,
    input: z.strictObject({
      ...org,
      group: groupName.optional(),
      user: rowId.optional(),
      email: email.optional(),
      serviceAccount: text.optional(),
      server: serverKey.optional(),
      collection: collectionName.optional(),
      /** Undefined: all it has. The server's own names. */
      tools: toolNames.optional(),
    }),
    output: grant,
  },
  removeGrant: {
    method: 'DELETE',
    path: '/organizations/:organization/grants/:id',
    summary: 'Take a grant back: it ends at once',
    permission: 'admin:grants:write',
    scope: 'organization',
    audit: 'grant.remove',
    status: 200,
    input: z.strictObject({ ...org, id: rowId }),
    output: grant,
  },
} as const;
