import type { Finding } from '../check.ts'
import { SCALED_FAULTS, type ScaledBooks, timesOf } from './books.ts'
import type { LoadSums } from './load.ts'
import type { ScaledVerdict } from './look.ts'
import type { ScaledOptions } from './options.ts'

/** All that a scaled run found. */
export type ScaledOutcome = Readonly<{
  options: ScaledOptions
  tookS: number
  books: ScaledBooks
  sums: LoadSums
  verdict: ScaledVerdict
}>

/** True when nothing is lost, double or wrong, everything came back, and nobody ended by itself. */
export function isScaledSound({ books, verdict, sums }: ScaledOutcome): boolean {
  const bad = (['lost', 'double', 'wrong'] as const).some((kind) => totalOf(verdict, kind) !== 0)
  return !bad && sums.clients.addsUp && books.failures.length === 0
}

/** How many of one kind; what could not be counted is no zero. */
function totalOf({ findings }: ScaledVerdict, kind: Finding['kind']): number {
  return findings.reduce((sum, one) => sum + (one.kind === kind ? one.count : 0), 0)
}

/** The result as a machine reads it. */
export function scaledJson(outcome: ScaledOutcome): Readonly<Record<string, unknown>> {
  const { options, tookS, books, sums, verdict } = outcome
  const { seed, workers, gateways, webs, edge, rate, partitions, record } = options
  const all = [...books.faults.values()]
  return {
    ...{ profile: 'scaled', sound: isScaledSound(outcome), kills: books.kills },
    acknowledged: verdict.pings.acknowledged,
    tripsAcknowledged: verdict.trips.acknowledged,
    lost: totalOf(verdict, 'lost'),
    double: totalOf(verdict, 'double'),
    wrong: totalOf(verdict, 'wrong'),
    ...{ seed, workers, gateways, webs, edge, rate, partitions, record, tookS: Math.round(tookS) },
    takenMs: timesOf(all.flatMap(({ takenMs }) => takenMs)),
    visibleMs: timesOf(all.flatMap(({ visibleMs }) => visibleMs)),
    wholeMs: timesOf(books.wholeMs),
    longestPostMs: Math.round(sums.posts.longestMs),
    faults: Object.fromEntries(
      [...books.faults].map(([name, { takenMs, visibleMs }]) => [
        name,
        { times: takenMs.length, takenMs: timesOf(takenMs), visibleMs: timesOf(visibleMs) },
      ]),
    ),
    lines: Object.fromEntries(books.lines),
    failures: books.failures,
    uncleanStops: [...books.uncleanStops, ...verdict.uncleanStops],
    ...{ clients: sums.clients, posts: sums.posts, trips: sums.trips },
    bronzeRows: verdict.pings.bronzeRows,
    distinctPings: verdict.pings.distinctPings,
    movements: verdict.pings.movements,
    sessions: verdict.pings.sessions,
    windows: verdict.trips.windows,
    unanswered: verdict.pings.unanswered,
    readers: verdict.readers,
    findings: verdict.findings.filter(({ count }) => count !== 0),
    hashes: verdict.pings.hashes,
  }
}

/** The result as a person reads it. */
export function describeScaled(outcome: ScaledOutcome): string {
  const { options, tookS, books, sums, verdict } = outcome
  const whole = (value: number): string => value.toLocaleString('en-US')
  const row = (name: string, value: string | number, note = ''): string =>
    `  ${name.padEnd(60)}${(typeof value === 'number' ? whole(value) : value).padStart(10)}${note && `   ${note}`}`
  const s = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
  const times = (values: readonly number[]): string => {
    const { p50, max } = timesOf(values)
    return `p50 ${s(p50)}, longest ${s(max)}`
  }
  const faults = SCALED_FAULTS.map((name) => {
    const seen = books.faults.get(name)
    if (!seen) return row(name, 0)
    return row(
      name,
      seen.takenMs.length,
      `taken again ${times(seen.takenMs)}; all partitions in silver ${times(seen.visibleMs)}`,
    )
  })
  const all = [...books.faults.values()]
  const { clients, bronze, silver } = verdict.pings.hashes
  // What was taken without an answer is in the stores and in no client's record.
  const equal = bronze === silver && (clients === bronze || verdict.pings.unanswered > 0)
  return [
    `faults (seed ${options.seed}, ${tookS.toFixed(0)} s, ${options.workers} workers, ${options.gateways} gateways` +
      `${options.edge ? ', an edge' : ''}, ${options.partitions} partitions, ${options.record} records, ${whole(options.rate)} pings/s)`,
    ...faults,
    'clients',
    row(
      'pings acknowledged',
      verdict.pings.acknowledged,
      `${whole(sums.clients.generated + sums.posts.generated)} generated`,
    ),
    row(
      'trips acknowledged',
      verdict.trips.acknowledged,
      `${whole(sums.trips.generated)} generated`,
    ),
    row(
      'sent twice on purpose',
      sums.clients.duplicatesSent,
      `and ${sums.posts.repeats + sums.trips.repeats} posts`,
    ),
    row(
      'sent again, unanswered',
      sums.clients.sentAgain,
      `${whole(sums.clients.cuts)} lines cut by themselves`,
    ),
    row('left without an answer', sums.left, `${whole(verdict.pings.unanswered)} are stored`),
    'stores',
    ...verdict.readers.map((line) => `  ${line}`),
    row(
      'movements in silver',
      verdict.pings.movements,
      `${whole(verdict.pings.sessions)} sessions`,
    ),
    row('windows', verdict.trips.windows),
    'found',
    ...verdict.findings.map(({ kind, what, count }) => row(`${kind}: ${what}`, count)),
    ...[...verdict.pings.examples, ...verdict.trips.examples].map(
      (key) => `    for example ${key}`,
    ),
    'content hashes',
    row('acknowledged to the clients', clients),
    row('distinct in bronze', bronze),
    row('movements in silver', silver, equal ? 'equal' : 'NOT EQUAL'),
    'times',
    `  from a fault to a ping taken           ${times(all.flatMap(({ takenMs }) => takenMs))}`,
    `  from a fault to all partitions stored  ${times(all.flatMap(({ visibleMs }) => visibleMs))}`,
    `  from its end to all partitions stored  ${times(books.wholeMs)}`,
    `  a client's post, from made to taken    longest ${s(sums.posts.longestMs)}`,
    ...[...books.uncleanStops, ...verdict.uncleanStops].map((line) => `  UNCLEAN: ${line}`),
    ...books.failures.map((line) => `  FAILED: ${line}`),
    `kills ${books.kills}  acknowledged ${verdict.pings.acknowledged}  lost ${totalOf(verdict, 'lost')}` +
      `  double ${totalOf(verdict, 'double')}  wrong ${totalOf(verdict, 'wrong')}` +
      (isScaledSound(outcome) ? '' : '  NOT SOUND'),
  ].join('\n')
}
