/** Who is on the other end: the socket's address, or what trusted proxies say, read from the right (they append). */
import { BlockList, isIP } from 'node:net';

export type AddressReader = (socketAddress: string, forwardedFor: string | undefined) => string;

/** Whether the peer at this socket address is one of the proxies (addresses or CIDR ranges). Nobody is, where there are none. */
export function proxyCheck(trusted: readonly string[]): (socketAddress: string) => boolean {
  const list = blockList(trusted);
  return (socketAddress) => {
    const address = plainAddress(socketAddress);
    return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  };
}

function blockList(trusted: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of trusted) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** `trusted`: addresses or CIDR ranges of the proxies in front. Empty: X-Forwarded-For changes nothing. */
export function addressReader(trusted: readonly string[]): AddressReader {
  if (trusted.length === 0) return (socketAddress) => plainAddress(socketAddress);
  const isTrusted = proxyCheck(trusted);
  return (socketAddress, forwardedFor) => {
    let address = plainAddress(socketAddress);
    if (!forwardedFor) return address;
    const hops = forwardedFor.split(',').map((hop) => plainAddress(hop.trim()));
    while (isTrusted(address)) {
      const hop = hops.pop();
      if (hop === undefined || isIP(hop) === 0) break;
      address = hop;
    }
    return address;
  };
}

function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/** Limits count an IPv6 neighbour by its /64: one customer owns all of it. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const after = tail.split(':').filter(Boolean);
  const all = address.includes('::')
    ? [...groups, ...Array(8 - groups.length - after.length).fill('0'), ...after]
    : groups;
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(String(group), 16).toString(16))
    .join(':')}::/64`;
}
