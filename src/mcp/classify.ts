/** Which era a message belongs to, decided by its body (typescript-sdk's inbound classification is the model). */
import { GatehouseError } from '#core/error.ts';
import { findEnvelope, type Message } from './message.ts';
import { decodeHeaderValue } from './param-headers.ts';
import { type Era, legacyVersions, modernVersions } from './versions.ts';

export interface McpHeaders {
  readonly protocolVersion: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
}

/**
 * Throws GatehouseError `header_mismatch` (-32020), `unsupported_version` (-32022), `invalid_params` (-32602, a modern
 * header without envelope), `unknown_method` (`initialize` inside a modern envelope), `bad_request` (unknown legacy header).
 */
export function classifyMessage(message: Message, headers: McpHeaders): Era {
  const envelope = message.kind === 'response' ? undefined : findEnvelope(message);
  if (envelope) {
    checkEnvelope(message, envelope, headers);
    return 'modern';
  }
  const version = headers.protocolVersion;
  if (message.kind === 'request' && message.method === 'initialize') return 'legacy';
  if (version !== undefined && modernVersions.includes(version)) {
    throw new GatehouseError('invalid_params', {
      message: `_meta must carry the protocol version and client capabilities`,
    });
  }
  if (version !== undefined && !legacyVersions.includes(version)) {
    if (message.kind === 'request') throw unsupported(version);
    throw new GatehouseError('bad_request', {
      message: `Bad Request: Unsupported protocol version (supported versions: ${[...modernVersions, ...legacyVersions].join(', ')})`,
    });
  }
  return 'legacy';
}

function unsupported(requested: string): GatehouseError {
  return new GatehouseError('unsupported_version', {
    message: `Bad Request: Unsupported protocol version (supported versions: ${[...modernVersions, ...legacyVersions].join(', ')})`,
    data: { supported: [...modernVersions], requested },
  });
}

function checkEnvelope(
  message: Message,
  envelope: { readonly version: string; readonly hasCapabilities: boolean },
  headers: McpHeaders,
): void {
  if (headers.protocolVersion !== envelope.version) {
    throw mismatch('MCP-Protocol-Version', headers.protocolVersion === undefined);
  }
  if (!modernVersions.includes(envelope.version)) throw unsupported(envelope.version);
  if (!envelope.hasCapabilities && message.kind === 'request') {
    throw new GatehouseError('invalid_params', { message: '_meta lacks io.modelcontextprotocol/clientCapabilities' });
  }
  if (message.method === 'initialize') throw new GatehouseError('unknown_method');
  if (message.kind !== 'request') {
    if (headers.method !== undefined && headers.method !== message.method) throw mismatch('Mcp-Method', false);
    return;
  }
  if (headers.method !== message.method) throw mismatch('Mcp-Method', headers.method === undefined);
  if (message.name === undefined) return;
  if (headers.name === undefined) throw mismatch('Mcp-Name', true);
  if (decodeHeaderValue(headers.name) !== message.name) throw mismatch('Mcp-Name', false);
}

function mismatch(header: string, missing: boolean): GatehouseError {
  return new GatehouseError('header_mismatch', {
    message: missing ? `Header mismatch: ${header} is required` : `Header mismatch: ${header} differs from the body`,
  });
}
