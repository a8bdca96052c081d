/** The trail as OpenTelemetry log records over OTLP/HTTP. Loaded only where somebody wants it. */
import { SeverityNumber } from '@opentelemetry/api';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { Secret } from '#core/secret.ts';
import type { AuditSink, ExportItem } from './exporter.ts';

export interface OtlpSinkOptions {
  readonly url: string;
  readonly authorization?: Secret | undefined;
  readonly version: string;
  /** Of Node's own agents: the forward proxy on the way there; none by default. */
  readonly proxyEnv?: Readonly<Record<string, string>>;
}

export function openOtlpSink({ url, authorization, version, proxyEnv = {} }: OtlpSinkOptions): AuditSink {
  const headers: Record<string, string> = authorization ? { authorization: authorization.reveal() } : {};
  const exporter = new OTLPLogExporter({
    url,
    headers,
    timeoutMillis: 15_000,
    httpAgentOptions: { keepAlive: true, proxyEnv },
  });
  const resource = resourceFromAttributes({ 'service.name': 'gatehouse', 'service.version': version });
  const instrumentationScope = { name: 'gatehouse.audit', version };
  const shown = (item: ExportItem): ReadableLogRecord => {
    const hrTime: [number, number] = [Math.floor(Date.parse(item.at) / 1000), (Date.parse(item.at) % 1000) * 1_000_000];
    const isWarning = item.type === 'row' && (item.decision === 'deny' || item.kind === 'security');
    return {
      ...{ hrTime, hrTimeObserved: hrTime, resource, instrumentationScope, droppedAttributesCount: 0 },
      severityNumber: isWarning ? SeverityNumber.WARN : SeverityNumber.INFO,
      severityText: isWarning ? 'WARN' : 'INFO',
      eventName: item.type === 'row' ? `gatehouse.audit.${item.kind}` : 'gatehouse.audit.checkpoint',
      body: JSON.stringify(item),
      attributes: attributesOf(item),
    };
  };
  return {
    name: `otlp:${url}`,
    send: (items) =>
      new Promise((resolve, reject) => {
        exporter.export(items.map(shown), ({ code, error }) =>
          code === 0 ? resolve() : reject(error ?? new Error('The receiver refused the records')),
        );
      }),
  };
}

/** What one wants to find records by; the body has all of it. */
function attributesOf(item: ExportItem): Record<string, string | number> {
  const fields =
    item.type === 'row'
      ? {
          ...{ 'gatehouse.audit.id': item.id, 'gatehouse.organization': item.org, 'gatehouse.action': item.action },
          ...{ 'gatehouse.decision': item.decision, 'gatehouse.server': item.server, 'gatehouse.person': item.person },
          ...{ 'mcp.method.name': item.rpcMethod, 'error.type': item.reason, 'enduser.id': item.subject },
          ...{ 'client.address': item.clientAddress },
        }
      : { 'gatehouse.audit.id': item.id, 'gatehouse.organization': item.org };
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== null && field[1] !== ''),
  );
}
