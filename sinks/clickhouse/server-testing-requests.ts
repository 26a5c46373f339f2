import type { IncomingMessage } from 'node:http'
import {
  brotliDecompressSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib'

import { CONTROL_PARAMS, type TestStatement } from './server-testing-statements.ts'

/** What a request carries, unpacked. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const raw = Buffer.concat(chunks)
  switch (request.headers['content-encoding'] ?? '') {
    case 'gzip':
      return gunzipSync(raw)
    case 'zstd':
      return zstdDecompressSync(raw)
    case 'br':
      return brotliDecompressSync(raw)
    case 'deflate':
      return inflateSync(raw)
    default:
      return raw
  }
}

/** The statement is the parameter `query` with the body after it, or the body alone. */
export function statementOf(
  request: IncomingMessage,
  params: URLSearchParams,
  body: Buffer,
): TestStatement {
  const query = params.get('query')
  const header = (name: string): string | null => {
    const value = request.headers[name]
    return typeof value === 'string' ? value : null
  }
  return {
    sql: query ?? body.toString('utf8'),
    data: query === null ? Buffer.alloc(0) : body,
    database: params.get('database') ?? header('x-clickhouse-database') ?? 'default',
    format: header('x-clickhouse-format') ?? params.get('default_format') ?? 'TabSeparated',
    queryId: params.get('query_id') ?? '',
    slow: false,
    mark: `/* ${crypto.randomUUID()} */`,
    sessionId: params.get('session_id'),
    settings: [...params].filter(([name]) => !CONTROL_PARAMS.has(name) && !/^param_/.test(name)),
    parameters: [...params].flatMap(([name, value]): [string, string][] =>
      name.startsWith('param_') ? [[name.slice(6), value]] : [],
    ),
  }
}

/** An answer, packed as the asker wants it. */
export function encoded(
  request: IncomingMessage,
  params: URLSearchParams,
  bytes: Uint8Array,
): Readonly<{ encoding: string; bytes: Uint8Array }> {
  const accepted = String(request.headers['accept-encoding'] ?? '')
  if (params.get('enable_http_compression') !== '1') return { encoding: '', bytes }
  if (accepted.includes('zstd')) return { encoding: 'zstd', bytes: zstdCompressSync(bytes) }
  if (accepted.includes('gzip')) return { encoding: 'gzip', bytes: gzipSync(bytes) }
  return { encoding: '', bytes }
}
