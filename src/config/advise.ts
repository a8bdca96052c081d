/** What becomes of a variable of a gateway that this one replaces, in one sentence. */
import { tlsVariables } from './environment.ts';
import { foreignVariables } from './foreign.ts';
import { readNamed } from './named.ts';
import { settings } from './settings.ts';

export function adviseSetting(name: string): string {
  const own = settings.find((setting) => setting.name === name || setting.aliases?.includes(name));
  if (own) return own.name === name ? 'is read as it is' : `is read as it is, as ${own.name}`;
  const [why] = foreignVariables({ [name]: 'set' });
  if (why !== undefined) return why.replace(/^\w+ /, '');
  const isTls = tlsVariables.some(([known]) => known === name);
  if (isTls || /^MCP_PORT_[A-Z0-9_]+$/.test(name)) return 'is read as it is';
  const { strangers, wishes } = readNamed({ [name]: name.endsWith('_URLS') ? 'https://x.example' : 'true' }, '/', []);
  if (strangers.length > 0) return 'names a server that does not come along: define it in gatehouse.yaml';
  return wishes.length > 0 ? 'is read as it is' : 'is not known here';
}
