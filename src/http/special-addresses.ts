import ipaddr from 'ipaddr.js';

export type Cidr = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** IANA IPv4 special-purpose registry, multicast, reserved, and Azure's host agent (a public address that is not). */
const refusedV4: readonly Cidr[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map((range) => ipaddr.parseCIDR(range));

/** The only IPv6 block that IANA has given out as global unicast (RFC 4291 2.4); everything outside is refused. */
const globalV6 = ipaddr.parseCIDR('2000::/3');

/** Inside it: protocol assignments with Teredo and ORCHID, documentation, and 6to4, which can name any IPv4 address. */
const refusedV6: readonly Cidr[] = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map((range) =>
  ipaddr.parseCIDR(range),
);

/** `address` as text of either family; IPv4-mapped IPv6 counts as the IPv4 address it names. */
export function parseAddress(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  return ipaddr.process(address);
}

export function isWithin(address: ipaddr.IPv4 | ipaddr.IPv6, [network, bits]: Cidr): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

/** True for every address that a stranger's URL must never reach (SECURITY 3.10). */
export function isSpecialAddress(address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed.kind() === 'ipv4') return refusedV4.some((range) => isWithin(parsed, range));
  return !isWithin(parsed, globalV6) || refusedV6.some((range) => isWithin(parsed, range));
}
