/** Receivers of the trail: a file or standard output, a syslog server. The one that speaks OTLP stands in otlp-sink.ts. */
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import type { AuditSink, ExportItem } from './exporter.ts';

/** JSON Lines; forced to the disk before they count as sent. */
export function openFileSink(path: string): AuditSink {
  return {
    name: `jsonl:${path}`,
    async send(items) {
      const file = await open(path, 'a', 0o600);
      try {
        await file.appendFile(items.map((item) => `${JSON.stringify(item)}\n`).join(''));
        await file.datasync();
      } finally {
        await file.close();
      }
    },
  };
}

export function openStreamSink(stream: NodeJS.WritableStream): AuditSink {
  return {
    name: 'jsonl:-',
    send: (items) =>
      new Promise((resolve, reject) => {
        const text = items.map((item) => `${JSON.stringify(item)}\n`).join('');
        stream.write(text, (error) => (error ? reject(error) : resolve()));
      }),
  };
}

const sendMs = 15_000;

/**
 * RFC 5424 messages, counted (RFC 6587 3.4.1), over TCP or TLS. Syslog acknowledges nothing: a connection carries one
 * batch, and only a receiver that closes it in order after us has had it all.
 */
export function openSyslogSink(url: string): AuditSink {
  const { protocol, hostname: host, port } = new URL(url);
  const isTls = protocol === 'tls:';
  return {
    name: `syslog:${url}`,
    async send(items) {
      const at = { host: host.replace(/^\[|\]$/g, ''), port: Number(port) || (isTls ? 6514 : 514) };
      const socket = isTls ? connectTls({ ...at, servername: at.host }) : connect(at);
      const signal = AbortSignal.timeout(sendMs);
      try {
        await once(socket, isTls ? 'secureConnect' : 'connect', { signal });
        const closed = once(socket, 'close', { signal });
        socket.resume();
        socket.end(items.map(framed).join(''));
        await closed;
      } finally {
        socket.destroy();
      }
    },
  };
}

function framed(item: ExportItem): string {
  const message = syslogMessage(item);
  return `${Buffer.byteLength(message)} ${message}`;
}

const facility = 13; // log audit (RFC 5424, table 1)

/** Severity: notice, warning for what was refused, and for what is suspicious. */
export function syslogMessage(item: ExportItem): string {
  const isWarning = item.type === 'row' && (item.decision === 'deny' || item.kind === 'security');
  const priority = facility * 8 + (isWarning ? 4 : 5);
  const id = item.type === 'row' ? item.kind : 'checkpoint';
  const host =
    hostname()
      .replace(/[^\x21-\x7e]/g, '-')
      .slice(0, 255) || '-';
  // U+FEFF says that what follows is UTF-8.
  return `<${priority}>1 ${item.at} ${host} gatehouse ${process.pid} ${id} - \ufeff${JSON.stringify(item)}`;
}
