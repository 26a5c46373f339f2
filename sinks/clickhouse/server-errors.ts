import { messageOf } from '../../actors/kernel/errors.ts'
import { ClickHouseError } from './engine.ts'

/**
 * What is known of a call that failed: the server refused it, it was never sent, or it may have been
 * done, be under way, or be done later.
 */
export type Outcome = 'refused' | 'not sent' | 'unknown'

/** A call to a server that failed. */
export class ServerError extends ClickHouseError {
  readonly outcome: Outcome

  constructor(message: string, clickhouseCode: number | null, outcome: Outcome) {
    super(message, clickhouseCode)
    this.outcome = outcome
  }
}

/** ClickHouse's own number for a time-out. */
export const TIMEOUT_EXCEEDED = 159

/**
 * Failures that only come before a byte of the statement has left: nobody listens, no such name, a certificate
 * that is not trusted. A host that cannot be reached may be lost in the middle, too.
 */
const NOT_SENT =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ERR_SSL_WRONG_VERSION_NUMBER|ERR_TLS_CERT_\w+|CERT_\w+|DEPTH_ZERO\w+|SELF_SIGNED\w+|UNABLE_TO\w+)$/

const TLS = /^(?:ERR_SSL|ERR_TLS|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/

/** What the client threw, as an error of ours that holds no secret: its cause may hold the request. */
export function serverError(thrown: unknown, secrets: readonly string[]): ServerError {
  if (thrown instanceof ServerError) return thrown
  const code = codeOf(thrown)
  const message = withoutSecrets(oneLineOf(messageOf(thrown)), secrets)
  if (/^\d+$/.test(code)) return new ServerError(message, Number(code), 'refused')
  const outcome = NOT_SENT.test(code) ? 'not sent' : 'unknown'
  return new ServerError(
    code && !message.includes(code) ? `${message} (${code})` : message,
    null,
    outcome,
  )
}

/** One line about a server that cannot be used, with what to look at. */
export function whatToCheck(thrown: unknown, url: string, user: string): string {
  const error = thrown instanceof ServerError ? thrown : null
  const at = `ClickHouse at ${url}`
  const message = messageOf(thrown)
  if (error?.clickhouseCode === 516) {
    return `${at} refuses the user ${user}: check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD`
  }
  if (/Port \d+ is for clickhouse-client|HPE_|Parse Error|Malformed/i.test(message)) {
    return `${at} speaks no HTTP: CLICKHOUSE_PORT is the HTTP port (8123, with TLS 8443), not 9000`
  }
  if (isTlsRefused(thrown)) {
    return `${at}: TLS fails, ${message}: check the certificate, its authority, and that the port is the one with TLS (8443)`
  }
  if (error?.outcome === 'not sent' || error?.clickhouseCode === TIMEOUT_EXCEEDED) {
    return `${at} does not answer (${message}): check that it runs, CLICKHOUSE_HOST, CLICKHOUSE_PORT (8123) and the firewall`
  }
  if (error?.outcome === 'unknown') {
    return `${at} gives no answer that can be used (${message}): check that CLICKHOUSE_PORT is the HTTP port (8123, with TLS 8443)`
  }
  return `${at} cannot be used: ${message}`
}

/** True when one of the two does not trust the other: waiting does not change that. */
export function isTlsRefused(thrown: unknown): boolean {
  if (!(thrown instanceof ServerError) || thrown.outcome === 'refused') return false
  return TLS.test(/\((\w+)\)$/.exec(thrown.message)?.[1] ?? thrown.message)
}

function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return ''
  return typeof thrown.code === 'string' ? thrown.code : ''
}

/** Long enough for any reason, short enough for a log; a proxy may answer with a page. */
const MESSAGE_CHARACTERS_MAX = 2_000

function oneLineOf(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim()
  return line === '' ? 'no reason was given' : line.slice(0, MESSAGE_CHARACTERS_MAX)
}

function withoutSecrets(message: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret !== '')
    .reduce((text, secret) => text.replaceAll(secret, '***'), message)
}
