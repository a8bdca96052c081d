/** What is wrong with an argument: said to the caller, who can correct it. */
export class ArgumentProblem extends Error {}
