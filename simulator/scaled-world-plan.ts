import { type Random, seededRandom } from '../actors/kernel/clock.ts'
import { drawInt, drawPlan, type Plan, type Rates } from './world-plan.ts'

/** Where calls leave a process of the scaled-out profile. */
export type NetPort = 'kafka' | 'group' | 'silver' | 'bronze' | 'catalog' | 'objects'

/** What befalls a worker or a gateway, and when. */
export type Trouble = Readonly<{
  atMs: number
  /** Killed, told to stop, or stopped in the middle of everything and let go on later. */
  how: 'kill' | 'leave' | 'freeze'
  role: 'worker' | 'gateway'
  /** Which of them, counted on. */
  index: number
  /** Until it starts again, or goes on. */
  forMs: number
}>

/** Everything that a seed decides before a run of several processes begins. */
export type ScaledPlan = Readonly<{
  seed: number
  /** Traffic, clients and bounds, as the embedded world draws them. */
  base: Plan
  partitions: number
  workers: number
  gateways: number
  form: 'single' | 'frame'
  /** A catalog that answers for itself, or files that are created once. */
  catalog: 'rest' | 'folder'
  rates: Readonly<Record<NetPort, Rates>>
  /** The longest that a request may be on its way when nobody waits for it any more. */
  lateMsMax: number
  /** How long a statement may run at the ClickHouse server. */
  statementMsMax: number
  /** Records of one answer to a reader. */
  fetchRecordsMax: number
  /** What the topic lets go of, again and again; 0 for never. */
  retentionMs: number
  publishMs: number
  /** How far apart the wall clocks of two processes may be. */
  skewMsMax: number
  troubles: readonly Trouble[]
}>

const NET_PORTS: readonly NetPort[] = ['kafka', 'group', 'silver', 'bronze', 'catalog', 'objects']
/** Until the group takes a worker for dead. */
export const SESSION_MS = 8_000

/** The plan of a seed: the same on every machine. */
export function drawScaledPlan(seed: number, minutes: number): ScaledPlan {
  const random = seededRandom(seed * 6_151 + 29)
  const drawn = drawPlan(seed, minutes)
  const { faultMs } = drawn
  const calm = random() < 0.05
  const rates = NET_PORTS.map((port) => [port, drawRates(random, port)])
  const troubles = calm ? 0 : drawInt(random, 1, 9)
  return {
    seed,
    // One machine's own troubles are the embedded world's.
    base: { ...drawn, livesOfOld: 0, failover: null, endings: [], clockJumps: [], diskFull: [] },
    partitions: drawInt(random, 2, 4),
    workers: drawInt(random, 2, 3),
    gateways: drawInt(random, 1, 2),
    form: random() < 0.5 ? 'single' : 'frame',
    catalog: random() < 0.5 ? 'rest' : 'folder',
    rates: Object.fromEntries(rates) as ScaledPlan['rates'],
    lateMsMax: random() < 0.5 ? 3_000 : 40_000,
    statementMsMax: [50, 50, 12_000, 60_000][drawInt(random, 0, 3)] ?? 50,
    fetchRecordsMax: drawInt(random, 1, 40),
    retentionMs: random() < 0.4 ? 0 : drawInt(random, 500, 20_000),
    publishMs: drawInt(random, 300, 6_000),
    skewMsMax: seed % 3 === 0 ? 4_000 : 0,
    troubles: Array.from({ length: troubles }, () => drawTrouble(random, faultMs)),
  }
}

function drawTrouble(random: Random, faultMs: number): Trouble {
  const luck = random()
  const how = luck < 0.3 ? 'kill' : luck < 0.55 ? 'leave' : 'freeze'
  const role = how !== 'freeze' && random() < 0.25 ? 'gateway' : 'worker'
  // Shorter than the group's patience, or longer, so that others have the partitions meanwhile.
  const forMs =
    random() < 0.4 ? drawInt(random, 1, SESSION_MS) : drawInt(random, SESSION_MS, 45_000)
  const atMs = Math.floor(random() * faultMs)
  return { atMs, how, role, index: drawInt(random, 0, 2), forMs }
}

/** Nothing in four of ten draws, else anything up to `max`, small ones as likely as large ones. */
function rateUpTo(random: Random, max: number): number {
  return random() < 0.4 ? 0 : max * 10 ** (-2 * random())
}

function drawRates(random: Random, port: NetPort): Rates {
  // A worker that never hears the group does no work at all.
  const isGroup = port === 'group'
  // Nothing is said twice to a broker that answers well.
  if (port === 'kafka' && random() < 0.4) {
    const [fail, lost, late] = [random() * 0.2, random() * 0.4, random() * 0.3]
    return { fail, lost, late, hang: 0.01, twice: 0, part: random() * 0.3, slow: 0.1 }
  }
  return {
    fail: rateUpTo(random, isGroup ? 0.05 : 0.25),
    lost: rateUpTo(random, isGroup ? 0.05 : 0.25),
    hang: rateUpTo(random, isGroup ? 0.005 : 0.03),
    late: isGroup ? 0 : rateUpTo(random, 0.2),
    twice: 0,
    part: rateUpTo(random, 0.15),
    slow: rateUpTo(random, 0.2),
  }
}
