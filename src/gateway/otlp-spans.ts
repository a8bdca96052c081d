/** Spans on their way to a collector, in batches, over OTLP/HTTP. Loaded only where somebody wants them. */
import { type HrTime, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { attributesOf, openTracing, spanName, type Tracing } from './tracing.ts';

export interface OtlpSpansOptions {
  /** Of the collector, such as http://collector:4318; no slash at the end. */
  readonly url: string;
  readonly sampling: number;
  readonly version: string;
  /** Of Node's own agents: the forward proxy on the way there; none by default. */
  readonly proxyEnv?: Readonly<Record<string, string>>;
}

/** What the collector does not take is dropped: calls never wait for it. */
export function openOtlpTracing(options: OtlpSpansOptions): Tracing & { close(): Promise<void> } {
  const { url, sampling, version, proxyEnv = {} } = options;
  const exporter = new OTLPTraceExporter({
    url: `${url.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: 10_000,
    httpAgentOptions: { keepAlive: true, proxyEnv },
  });
  const processor = new BatchSpanProcessor({ exporter, scheduledDelayMillis: 1000 });
  const resource = resourceFromAttributes({ 'service.name': 'gatehouse', 'service.version': version });
  const instrumentationScope = { name: 'gatehouse', version };
  const tracing = openTracing(sampling, (record, call, { traceId, spanId, parentId }) => {
    const context = { traceId, traceFlags: TraceFlags.SAMPLED };
    const isError = record.status >= 500 || (record.reason !== null && record.reason !== 'client_gone');
    const span: ReadableSpan = {
      name: spanName(record),
      kind: SpanKind.SERVER,
      spanContext: () => ({ ...context, spanId }),
      ...(parentId !== undefined && { parentSpanContext: { ...context, spanId: parentId, isRemote: true } }),
      startTime: hrTime(record.at),
      endTime: hrTime(record.at + record.durationMs),
      duration: hrTime(record.durationMs),
      status: isError ? { code: SpanStatusCode.ERROR, message: record.reason ?? '' } : { code: SpanStatusCode.UNSET },
      attributes: attributesOf(record, call),
      ...{ links: [], events: [], ended: true, resource, instrumentationScope },
      ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
    };
    processor.onEnd(span);
  });
  return { ...tracing, close: () => processor.shutdown() };
}

const hrTime = (ms: number): HrTime => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1_000_000)];
