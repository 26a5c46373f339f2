import type { S3Access } from '../sinks/iceberg/s3-access.ts'
import type { Config } from './settings.ts'

/** A ClickHouse server has HTTPS there, unless told. */
const CLICKHOUSE_TLS_PORT = 8_443
const CLICKHOUSE_PORT = 8_123

/** The names of a list with commas. */
export function listOf(text: string): readonly string[] {
  return text.split(',')
}

export function trimSlash(text: string): string {
  return text.replace(/\/+$/, '')
}

/**
 * The server's address: a URL, or a host with or without a port, gets what it lacks. `port` counts where the text has
 * none; HTTPS goes to 8443 unless told otherwise.
 */
export function clickHouseUrl(host: string, port: number): string {
  const text = trimSlash(host)
  const address = withScheme(text, 'http')
  if (/:\d+$/.test(text)) return address
  const isTls = address.startsWith('https:') && port === CLICKHOUSE_PORT
  return `${address}:${isTls ? CLICKHOUSE_TLS_PORT : port}`
}

/** The S3 server's address; the port of HTTPS says HTTPS. */
export function s3Endpoint(text: string): string {
  const address = trimSlash(text)
  return withScheme(address, address.endsWith(':443') ? 'https' : 'http')
}

/** How S3 is reached; what nobody has set is left to the AWS tools' own files and variables. */
export function accessOf(config: Config): S3Access {
  const { minioEndpoint, minioAccessKey, minioSecretKey, awsEndpointUrl, awsRegion } = config
  const given = minioEndpoint === '' ? awsEndpointUrl : minioEndpoint
  const credentials = { accessKeyId: minioAccessKey, secretAccessKey: minioSecretKey }
  // A server of one's own seldom has regions, and the signature needs some word.
  const region = awsRegion === '' && given !== '' ? 'us-east-1' : awsRegion
  return {
    ...(given === '' ? {} : { endpoint: s3Endpoint(given) }),
    ...(region === '' ? {} : { region }),
    ...(minioAccessKey === '' ? {} : { credentials }),
  }
}

/** `host:port` of an address, without user, password and path: for people and logs. */
export function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'an address that cannot be read'
  const { protocol, host, pathname } = new URL(url)
  if (host === '') return pathname
  if (/:\d+$/.test(host)) return host
  const port = PORTS[protocol]
  return port === undefined ? host : `${host}:${port}`
}

/** An address as it may be shown: without user, password and query. */
export function shown(url: string): string {
  if (!URL.canParse(url)) return 'an address that cannot be read'
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

const PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'ws:': 80,
  'wss:': 443,
  'redis:': 6_379,
  'rediss:': 6_379,
}

function withScheme(text: string, scheme: string): string {
  return /^https?:\/\//.test(text) ? text : `${scheme}://${text}`
}
