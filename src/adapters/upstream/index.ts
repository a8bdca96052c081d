/** Every way to an upstream server; the kind of a definition's transport picks one. */
export { type BuiltinAddress, type Builtins, openBuiltins } from './builtin/builtin.ts';
export { openStdioUpstream, type StdioDeps, type StdioOptions } from './stdio/stdio.ts';
