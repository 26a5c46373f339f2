import { type Books, FAULT_NAMES, quantile } from './books.ts'
import type { Finding, Verdict } from './check.ts'
import type { ClientSums } from './clients.ts'

/** All that a run found. */
export type Outcome = Readonly<{
  seed: number
  tookS: number
  books: Books
  sums: ClientSums
  verdict: Verdict
  /** What could not be tried, and why; null when everything was. */
  missing: string | null
}>

/** True when nothing is lost, double or wrong and the server did all that it must. */
export function isSound({ books, verdict, sums }: Outcome): boolean {
  const { clients, bronze, silver } = verdict.hashes
  const equal = bronze === silver && (clients === bronze || verdict.unanswered > 0)
  const bad = total(verdict, 'lost') + total(verdict, 'double') + total(verdict, 'wrong')
  return bad === 0 && equal && sums.addsUp && books.failures.length === 0
}

/** How many of one kind. A count that could not be read is no zero. */
export function total({ findings }: Verdict, kind: Finding['kind']): number {
  return findings.reduce((sum, one) => sum + (one.kind === kind ? one.count : 0), 0)
}

/** The result as a machine reads it. */
export function resultJson(outcome: Outcome): Readonly<Record<string, unknown>> {
  const { books, verdict, sums, seed, tookS, missing } = outcome
  return {
    kills: books.kills,
    acknowledged: verdict.acknowledged,
    lost: total(verdict, 'lost'),
    double: total(verdict, 'double'),
    wrong: total(verdict, 'wrong'),
    acceptAgainMsP50: Math.round(quantile(books.acceptAgainMs, 0.5)),
    acceptAgainMsMax: Math.round(Math.max(0, ...books.acceptAgainMs)),
    sound: isSound(outcome),
    seed,
    tookS: Math.round(tookS),
    faults: Object.fromEntries(books.faults),
    notTried: missing,
    returnMsMax: Math.round(Math.max(0, ...books.returnMs)),
    healthyMsMax: Math.round(Math.max(0, ...books.healthyMs)),
    startsRefused: books.startsRefused,
    uncleanStops: books.uncleanStops,
    answersInTrouble: Object.fromEntries(books.answersInTrouble),
    failures: books.failures,
    clients: sums,
    bronzeRows: verdict.bronzeRows,
    distinctPings: verdict.distinctPings,
    movements: verdict.movements,
    sessions: verdict.sessions,
    unanswered: verdict.unanswered,
    findings: verdict.findings.filter(({ count }) => count !== 0),
    hashes: verdict.hashes,
  }
}

/** The result as a person reads it. */
export function describe(outcome: Outcome): string {
  const { books, verdict, sums, seed, tookS, missing } = outcome
  const whole = (value: number): string => value.toLocaleString('en-US')
  const row = (name: string, value: string | number, note = ''): string =>
    `  ${name.padEnd(52)}${(typeof value === 'number' ? whole(value) : value).padStart(10)}${note && `   ${note}`}`
  const ms = (values: readonly number[]): string =>
    values.length === 0
      ? 'never'
      : `p50 ${whole(Math.round(quantile(values, 0.5)))} ms, max ${whole(Math.round(Math.max(...values)))} ms`
  const faults = FAULT_NAMES.map((name) => row(name, books.faults.get(name) ?? 0))
  const { clients, bronze, silver } = verdict.hashes
  return [
    `faults (seed ${seed}, ${tookS.toFixed(0)} s)`,
    ...faults,
    ...(missing === null ? [] : [`  NOT TRIED: full disk, read-only disk, power cut: ${missing}`]),
    'clients',
    row('pings acknowledged', verdict.acknowledged, `${whole(sums.generated)} generated`),
    row('sent twice on purpose', sums.duplicatesSent),
    row('sent again, unanswered', sums.sentAgain, `${whole(sums.cuts)} lines cut by themselves`),
    row('left without an answer', sums.unacknowledged, `${whole(verdict.unanswered)} are stored`),
    'stores',
    row('rows in bronze', verdict.bronzeRows, 'repeats included'),
    row('movements in silver', verdict.movements, `${whole(verdict.sessions)} sessions`),
    'found',
    ...verdict.findings.map(({ kind, what, count }) => row(`${kind}: ${what}`, count)),
    ...verdict.examples.map((key) => `    for example ${key}`),
    'content hashes',
    row('acknowledged to the clients', clients),
    row('distinct in bronze', bronze),
    row(
      'movements in silver',
      silver,
      bronze === silver && clients === bronze ? 'equal' : 'NOT EQUAL',
    ),
    'times',
    `  killed to taking pings again       ${ms(books.acceptAgainMs)}`,
    `  disk usable to taking pings again  ${ms(books.returnMs)}`,
    `  and to all parts well              ${ms(books.healthyMs)}`,
    ...(books.uncleanStops > 0
      ? [row('stops that left something to replay', books.uncleanStops)]
      : []),
    ...books.failures.map((line) => `  FAILED: ${line}`),
    `kills ${books.kills}  acknowledged ${verdict.acknowledged}  lost ${total(verdict, 'lost')}` +
      `  double ${total(verdict, 'double')}  wrong ${total(verdict, 'wrong')}` +
      (isSound(outcome) ? '' : '  NOT SOUND'),
  ].join('\n')
}
