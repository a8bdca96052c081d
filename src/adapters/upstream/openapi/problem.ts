/** What is wrong with an argument: said to the caller, who can correct it. */
export class ArgumentProblem extends Error {}

/** What is wrong with the server's credential: said to the caller, who can tell whoever keeps it. No secret in it. */
export class CredentialProblem extends Error {}
