/** RFC 7644 3.12: `scimType` tells the causes of a 400 and a 409 apart. */
export class ScimError extends Error {
  readonly status: number;
  readonly scimType: string | undefined;

  constructor(status: number, detail: string, scimType?: string) {
    super(detail);
    this.status = status;
    this.scimType = scimType;
  }
}

export const errorBody = ({ status, message, scimType }: ScimError) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
  status: String(status),
  ...(scimType !== undefined && { scimType }),
  detail: message,
});

export const badValue = (detail: string) => new ScimError(400, detail, 'invalidValue');
export const badPath = (detail: string) => new ScimError(400, detail, 'invalidPath');
export const badSyntax = (detail: string) => new ScimError(400, detail, 'invalidSyntax');
export const notThere = (what: string) => new ScimError(404, `There is no such ${what}`);
export const taken = (detail: string) => new ScimError(409, detail, 'uniqueness');
