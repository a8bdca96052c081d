/** What this server says of itself (RFC 7643 5 to 7). */
export const userUrn = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const enterpriseUrn = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const groupUrn = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const listUrn = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

export const limits = { bulkOperations: 1000, bulkBytes: 4 * 1024 * 1024, results: 1000 } as const;

export const listOf = (
  resources: readonly object[],
  paging: { readonly total: number; readonly startIndex: number },
) => ({
  schemas: [listUrn],
  totalResults: paging.total,
  startIndex: paging.startIndex,
  itemsPerPage: resources.length,
  Resources: resources,
});

export const configuration = (base: string) => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  patch: { supported: true },
  bulk: { supported: true, maxOperations: limits.bulkOperations, maxPayloadSize: limits.bulkBytes },
  filter: { supported: true, maxResults: limits.results },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: false },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'API key',
      description: 'An API key of the organization with the role admin:scim:write, as a bearer token',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
});

const resourceType = (base: string, name: 'User' | 'Group', schema: string) => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
  id: name,
  name,
  endpoint: `/${name}s`,
  schema,
  ...(name === 'User' && { schemaExtensions: [{ schema: enterpriseUrn, required: false }] }),
  meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
});

export const resourceTypes = (base: string) => [
  resourceType(base, 'User', userUrn),
  resourceType(base, 'Group', groupUrn),
];

interface Attribute {
  readonly name: string;
  readonly type?: string;
  readonly multi?: true;
  readonly required?: true;
  readonly unique?: true;
  readonly caseExact?: true;
  readonly readOnly?: true;
  readonly parts?: readonly string[];
}

const attribute = ({ name, type, multi, required, unique, caseExact, readOnly, parts }: Attribute): object => ({
  name,
  type: type ?? (parts ? 'complex' : 'string'),
  multiValued: multi ?? false,
  required: required ?? false,
  caseExact: caseExact ?? false,
  mutability: readOnly ? 'readOnly' : 'readWrite',
  returned: 'default',
  uniqueness: unique ? 'server' : 'none',
  ...(parts && {
    subAttributes: parts.map((part) => attribute({ name: part, type: part === 'primary' ? 'boolean' : 'string' })),
  }),
});

const plural = ['value', 'display', 'type', 'primary'];

const userAttributes: readonly Attribute[] = [
  { name: 'userName', required: true, unique: true },
  { name: 'externalId', caseExact: true },
  { name: 'active', type: 'boolean' },
  { name: 'name', parts: ['formatted', 'familyName', 'givenName', 'middleName', 'honorificPrefix', 'honorificSuffix'] },
  ...['displayName', 'nickName', 'profileUrl', 'title', 'userType', 'preferredLanguage', 'locale', 'timezone'].map(
    (name) => ({ name }),
  ),
  ...['emails', 'phoneNumbers', 'ims', 'photos', 'entitlements', 'roles'].map((name) => ({
    name,
    multi: true as const,
    parts: plural,
  })),
  {
    name: 'addresses',
    multi: true,
    parts: ['formatted', 'streetAddress', 'locality', 'region', 'postalCode', 'country', 'type', 'primary'],
  },
  { name: 'groups', multi: true, readOnly: true, parts: ['value', 'display', '$ref', 'type'] },
];

const enterpriseAttributes: readonly Attribute[] = [
  ...['employeeNumber', 'costCenter', 'organization', 'division', 'department'].map((name) => ({ name })),
  { name: 'manager', parts: ['value', '$ref', 'displayName'] },
];

const groupAttributes: readonly Attribute[] = [
  { name: 'displayName', required: true },
  { name: 'externalId', caseExact: true },
  { name: 'members', multi: true, parts: ['value', 'display', '$ref', 'type'] },
];

/** Attributes of a user that are kept, by their names in lower case. */
export const keptAttributes: ReadonlyMap<string, string> = new Map(
  [
    ...userAttributes
      .map(({ name }) => name)
      .filter((name) => !['userName', 'externalId', 'active', 'groups'].includes(name)),
    enterpriseUrn,
  ].map((name) => [name.toLowerCase(), name]),
);

export const schemas = (base: string) =>
  [
    { id: userUrn, name: 'User', attributes: userAttributes },
    { id: enterpriseUrn, name: 'EnterpriseUser', attributes: enterpriseAttributes },
    { id: groupUrn, name: 'Group', attributes: groupAttributes },
  ].map(({ id, name, attributes }) => ({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    id,
    name,
    attributes: attributes.map(attribute),
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${id}` },
  }));
