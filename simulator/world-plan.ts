import { type Random, seededRandom } from '../actors/kernel/clock.ts'

/** How often each thing goes wrong, as a share of the operations that it may befall. */
export type Rates = Readonly<{
  /** A call that fails and has done nothing. */
  fail: number
  /** A call that has done its work, and whose answer is lost. */
  lost: number
  /** A call that takes seconds, with or without an effect at the end. */
  hang: number
  /** A call that is given up, and takes effect after that. */
  late: number
  /** A call that takes effect twice. */
  twice: number
  /** A call that does a part of its work. */
  part: number
  /** A call that takes up to half a second. */
  slow: number
}>

/** Where calls leave the process. */
export type Port = 'disk' | 'states' | 'silver' | 'bronze' | 'catalog'

/** How one life of the process ends before its time. */
export type Ending = Readonly<{
  how: 'kill' | 'power' | 'stop'
  /** The operation at which it ends, or null for a moment in time. */
  at: string | null
  when: 'before' | 'after'
  /** The n-th such operation of the life. */
  nth: number
  /** Ends by then in any case. */
  withinMs: number
  downMs: number
  /** For a stop: how long it may take. */
  deadlineMs: number
}>

/** Everything that a seed decides before the run begins. */
export type Plan = Readonly<{
  seed: number
  startMs: number
  faultMs: number
  rates: Readonly<Record<Port, Rates>>
  endings: readonly Ending[]
  clockJumps: readonly Readonly<{ atMs: number; byMs: number }>[]
  diskFull: readonly Readonly<{ atMs: number; forMs: number; bytes: number }>[]
  storms: readonly number[]
  cutRate: number
  latencyMsMax: number
  sessions: number
  poisonRate: number
  flakyRate: number
  badRate: number
  /** The life after which silver loses so many of its last writes, or null. */
  failover: Readonly<{ life: number; writes: number }> | null
  /** So many lives run the program of before, with its older state. */
  livesOfOld: number
  limits: Readonly<Record<Limit, number>>
}>

const LIMITS = {
  awakeMax: [2, 30],
  idleMs: [500, 20_000],
  turnsPerSliceMax: [1, 60],
  mailboxMax: [1, 40],
  backlogMax: [30, 2_000],
  segmentBytesMax: [2_000, 60_000],
  waitingBytesMax: [8_000, 200_000],
  groupBytesMax: [2_000, 60_000],
  silentMs: [4_000, 25_000],
  overdueMs: [1_000, 60_000],
  checkpointMs: [300, 9_000],
  sweepMs: [100, 2_000],
  silverRowsMax: [3, 80],
  silverAgeMs: [20, 600],
  bronzeRowsMax: [8, 150],
  bronzeAgeMs: [200, 6_000],
  metricsAgeMs: [50, 900],
  headMinutesMax: [1, 40],
  historyFixesMax: [1, 12],
  progressMs: [500, 5_000],
  replayAheadMax: [1, 400],
  replayHeldMax: [1, 200],
  replayAloneMs: [1, 3_000],
  bufferFactor: [2, 8],
} as const

export type Limit = keyof typeof LIMITS

/** Operations at which a life may end; a name stands for all that begin with it. */
const MOMENTS = [
  ...['disk.write', 'disk.sync', 'disk.create', 'disk.syncDirectory', 'disk.remove'],
  ...['disk.read', 'disk.open', 'disk.truncate', 'disk.list'],
  ...['silver.insert', 'silver.insert session_movements', 'silver.insert session_headers'],
  ...['silver.progress', 'silver.query', 'silver.migrate'],
  ...['bronze.write', 'bronze.create', 'bronze.replace', 'bronze.list', 'bronze.remove'],
  ...['catalog.commit', 'states.save', 'states.rewind', 'states.mark checkpoint'],
  ...['states.mark metrics', 'wire.reply', 'disk.write', 'disk.sync', 'silver.progress'],
  'catalog.commit',
] as const

/** The plan of a seed: the same on every machine. */
export function drawPlan(seed: number, minutes: number): Plan {
  const random = seededRandom(seed * 7_919 + 17)
  const faultMs = Math.round(minutes * 60_000)
  const ports = ['disk', 'states', 'silver', 'bronze', 'catalog'] as const
  const rates = Object.fromEntries(ports.map((port) => [port, drawRates(random, port)]))
  const times = (max: number): number[] =>
    Array.from({ length: Math.floor(random() * (max + 1)) }, () => Math.floor(random() * faultMs))
  const calm = random() < 0.05
  return {
    seed,
    // Near the end of a month, so that days and months change in some runs.
    startMs: Date.UTC(2026, 8, 30, 23, 59, 60) - Math.floor(random() ** 3 * 3 * faultMs),
    faultMs,
    rates: rates as Plan['rates'],
    endings: calm ? [] : Array.from({ length: drawInt(random, 0, 7) }, () => drawEnding(random)),
    clockJumps: random() < 0.6 ? [] : times(4).map((atMs) => jumpAt(atMs, random)),
    diskFull:
      random() < 0.7
        ? []
        : times(2).map((atMs) => ({
            atMs,
            forMs: drawInt(random, 200, 6_000),
            bytes: drawInt(random, 0, 9_000),
          })),
    storms: random() < 0.6 ? [] : times(3),
    cutRate: rateUpTo(random, 0.1),
    latencyMsMax: drawInt(random, 1, 150),
    sessions: drawInt(random, 1, 12),
    poisonRate: rateUpTo(random, 0.08),
    flakyRate: rateUpTo(random, 0.1),
    badRate: rateUpTo(random, 0.15),
    livesOfOld: random() < 0.7 ? 0 : drawInt(random, 1, 6),
    limits: drawLimits(random),
    failover:
      random() < 0.9 ? null : { life: drawInt(random, 1, 6), writes: drawInt(random, 1, 15) },
  }
}

/** A whole number from `low` to `high`, both included. */
export function drawInt(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1))
}

/** Nothing in four of ten draws, else anything up to `max`, small ones as likely as large ones. */
function rateUpTo(random: Random, max: number): number {
  const luck = random()
  return luck < 0.4 ? 0 : max * 10 ** (-2 * random())
}

function drawRates(random: Random, port: Port): Rates {
  const isFile = port === 'disk'
  return {
    fail: rateUpTo(random, isFile ? 0.05 : 0.3),
    lost: isFile ? 0 : rateUpTo(random, 0.3),
    hang: isFile ? 0 : rateUpTo(random, 0.03),
    late: port === 'silver' || port === 'catalog' ? rateUpTo(random, 0.2) : 0,
    twice: isFile ? 0 : rateUpTo(random, 0.2),
    part: rateUpTo(random, 0.2),
    slow: rateUpTo(random, isFile ? 0.05 : 0.2),
  }
}

function drawEnding(random: Random): Ending {
  const luck = random()
  const ending = drawAnyEnding(random, luck)
  // The likeliest to tear something: the power goes while a group is on its way to the disk.
  if (random() > 0.2) return ending
  const at = random() < 0.5 ? 'disk.sync' : 'disk.write'
  return { ...ending, how: 'power', at, when: at === 'disk.sync' ? 'before' : 'after' }
}

function drawAnyEnding(random: Random, luck: number): Ending {
  return {
    how: luck < 0.4 ? 'kill' : luck < 0.8 ? 'power' : 'stop',
    at: random() < 0.75 ? (MOMENTS[Math.floor(random() * MOMENTS.length)] ?? null) : null,
    when: random() < 0.5 ? 'before' : 'after',
    nth: Math.ceil(random() ** 2 * 25),
    withinMs: drawInt(random, 5, 12_000),
    downMs: random() < 0.7 ? drawInt(random, 1, 500) : drawInt(random, 500, 90_000),
    deadlineMs: random() < 0.5 ? 10_000 : drawInt(random, 0, 400),
  }
}

function jumpAt(atMs: number, random: Random): { atMs: number; byMs: number } {
  const byMs = drawInt(random, 1, random() < 0.5 ? 2_000 : 120_000)
  return { atMs, byMs: random() < 0.5 ? byMs : -byMs }
}

/** Mostly small limits: a bound that is never reached is not tested. */
function drawLimits(random: Random): Plan['limits'] {
  const drawn = Object.entries(LIMITS).map(([name, [low, high]]) => [
    name,
    Math.round(low * (high / low) ** random()),
  ])
  return Object.fromEntries(drawn) as Plan['limits']
}
