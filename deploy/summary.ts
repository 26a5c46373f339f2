import type { FreshSecrets } from './secrets.ts'
import type { Config } from './settings.ts'

/** What the summary of a start says. */
export type SummaryFacts = Readonly<{
  version: string
  config: Config
  /** As bound. */
  host: string
  port: number
  /** Addresses of this machine in its networks. */
  networkAddresses: readonly string[]
  fresh: FreshSecrets
  demo: boolean
  colour: boolean
}>

const ANY_HOST: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]', ''])

/** The short text that a start prints for a person: where things are, and what to do next. */
export function summary(facts: SummaryFacts): string {
  const { config, host, port, fresh } = facts
  const { bold, dim, accent } = palette(facts.colour)
  const anywhere = ANY_HOST.has(host)
  const local = anywhere ? 'localhost' : hostInUrl(host)
  const outside = anywhere ? facts.networkAddresses.map(hostInUrl) : []
  const at = (name: string): string => accent(`http://${name}:${port}`)
  const once = dim('shown once, keep it')
  const roles = new Set(config.roles.split(','))
  const takes = roles.has('gateway')
  const shows = roles.has('web')

  const rows: [string, string][] = []
  if (shows) {
    rows.push(['Map', at(local)])
    for (const name of outside) rows.push(['', `${at(name)}  ${dim(viewersNote(config))}`])
  } else rows.push(['Health', `${at(local)}/health`])
  if (roles.size < 3) rows.push(['Roles', [...roles].join(', ')])
  if (takes) {
    const socket = `ws://${outside[0] ?? local}:${port}/ws`
    rows.push(['Vehicles', `${socket}   POST http://${local}:${port}/ingest`])
  }
  if (config.upstreamUrl !== '') rows.push(['Upstream', config.upstreamUrl])
  rows.push(['Data', config.dataDir])
  if (takes && fresh.ingestKey !== null)
    rows.push(['Ingest key', `${bold(fresh.ingestKey)}  ${once}`])
  if (shows && fresh.adminPassword !== null)
    rows.push(['Password', `${bold(fresh.adminPassword)}  ${once}`])
  if (facts.demo) rows.push(['Demo', 'a simulated fleet of 200 vehicles is under way'])

  const key = fresh.ingestKey ?? 'YOUR_INGEST_KEY'
  return [
    '',
    `  ${bold('Orrery')} ${dim(facts.version)}`,
    '',
    ...rows.map(([label, value]) => `  ${dim(label.padEnd(10))}  ${value}`),
    '',
    ...(takes ? [`  ${dim('Send a ping:')}`, firstPing(`http://${local}:${port}`, key), ''] : []),
    `  ${dim('More vehicles: bun run simulate --help    SQL: bun run sql --help    Stop: Ctrl-C')}`,
    '',
    '',
  ].join('\n')
}

/** A command that can be pasted into a shell: one vehicle in Athens, now. */
export function firstPing(url: string, key: string): string {
  const ping =
    `{"device_id":"d1","vehicle_id":"v1","session_id":"s1","order_id":"o1","status":"en_route",` +
    `"timestamp":"'$(date -u +%FT%TZ)'","start_lat":37.98,"start_lon":23.72,"end_lat":37.94,` +
    `"end_lon":23.64,"current_lat":37.97,"current_lon":23.71}`
  return [
    `  curl ${url}/ingest \\`,
    `    -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' \\`,
    `    -d '[${ping}]'`,
  ].join('\n')
}

function viewersNote({ viewers }: Config): string {
  return viewers === 'anyone' ? 'open to anyone' : 'after signing in'
}

function hostInUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

type Paint = (text: string) => string

function palette(colour: boolean): Readonly<Record<'bold' | 'dim' | 'accent', Paint>> {
  const paint = (code: number): Paint =>
    colour ? (text) => `\x1b[${code}m${text}\x1b[0m` : (text) => text
  return { bold: paint(1), dim: paint(2), accent: paint(36) }
}
