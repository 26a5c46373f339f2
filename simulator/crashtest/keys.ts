/** What a ping is, as text that is the same wherever it was read: session, status, microseconds, position. */
export type PingKey = string

/** A line of a client's record, or a row of a query that starts with these five columns. */
export function keyOf(
  session: unknown,
  status: unknown,
  us: unknown,
  lat: unknown,
  lon: unknown,
): PingKey {
  return `${String(session)}|${String(status)}|${Number(us)}|${Number(lat)}|${Number(lon)}`
}

/** Microseconds of the zoneless time that the simulator writes, by the platform's own reading of its milliseconds. */
export function microseconds(text: string): number {
  const [whole = '', fraction = ''] = text.split('.')
  return Date.parse(`${whole}Z`) * 1_000 + Number(fraction.slice(0, 6).padEnd(6, '0'))
}

/** One hash over a set of pings, whatever order they came in. */
export function hashOf(keys: ReadonlySet<PingKey>): string {
  const hasher = new Bun.CryptoHasher('sha256')
  for (const key of [...keys].sort()) hasher.update(key).update('\n')
  return hasher.digest('hex').slice(0, 32)
}

/** Pings as three witnesses know them. */
export type Witnesses = Readonly<{
  /** What the clients were told was taken. */
  acknowledged: ReadonlySet<PingKey>
  bronze: ReadonlySet<PingKey>
  silver: ReadonlySet<PingKey>
}>

/** What the three do not agree on. */
export type Disagreement = Readonly<{
  lostFromBronze: number
  lostFromSilver: number
  /** In a store, and never acknowledged: taken, and its answer was lost for good. */
  unanswered: number
  /** In one store and not in the other, none of them acknowledged. */
  storesDiffer: number
  /** Some of the lost ones, to look for. */
  examples: readonly PingKey[]
}>

/** Compares them ping by ping. */
export function compare({ acknowledged, bronze, silver }: Witnesses): Disagreement {
  const missing = (from: ReadonlySet<PingKey>, of: ReadonlySet<PingKey>): PingKey[] =>
    [...of].filter((key) => !from.has(key))
  const fromBronze = missing(bronze, acknowledged)
  const fromSilver = missing(silver, acknowledged)
  const stored = new Set([...bronze, ...silver])
  const unanswered = missing(acknowledged, stored)
  return {
    lostFromBronze: fromBronze.length,
    lostFromSilver: fromSilver.length,
    unanswered: unanswered.length,
    storesDiffer: unanswered.filter((key) => !bronze.has(key) || !silver.has(key)).length,
    examples: [...new Set([...fromBronze, ...fromSilver])].slice(0, 5),
  }
}
