import type { Clock } from '../../../actors/kernel/clock.ts'
import { asRecord, parseJson } from '../../wire.ts'
import type { Finding } from '../check.ts'
import { pause } from '../server.ts'
import { askClickHouse, type ClickHousePlace } from './clickhouse-server.ts'

const STREAM_MS_MAX = 5_000
const AGREE_MS_MAX = 30_000

/** Figures of the live feed that silver must give as well. */
type Figures = Readonly<{ activeSessions: number; completedToday: number; distanceM: number }>

export type LiveFiguresOptions = Readonly<{
  /** A process with pages. */
  url: string
  key: string
  place: ClickHousePlace
  database: string
  clock: Clock
}>

/** Whether the figures that a browser is shown come to those of silver, once nothing more is sent. */
export async function checkLiveFigures(options: LiveFiguresOptions): Promise<Finding> {
  const { url, key, clock } = options
  const endMs = clock.monotonicMs() + AGREE_MS_MAX
  for (;;) {
    const expected = await silverFigures(options)
    const shown = figuresIn(await liveText(url, key))
    if (shown && differences(expected, shown) === 0) return finding('', 0)
    if (clock.monotonicMs() > endMs) {
      const count = shown ? differences(expected, shown) : 1
      return finding(`: ${JSON.stringify(shown)}, silver says ${JSON.stringify(expected)}`, count)
    }
    await pause(1_000)
  }
}

/** The newest figures of a stream of events; null when it has none. */
export function figuresIn(text: string): Figures | null {
  const events = text.split('\n\n').filter((event) => /^event: kpi$/m.test(event))
  const data = /^data: (.*)$/m.exec(events.at(-1) ?? '')?.[1]
  const kpi = asRecord(parseJson(data ?? ''))
  if (!kpi) return null
  return {
    activeSessions: Number(kpi['activeSessions']),
    completedToday: Number(kpi['completedToday']),
    distanceM: Math.round(Number(kpi['distanceKmToday']) * 1_000),
  }
}

async function silverFigures({ place, database }: LiveFiguresOptions): Promise<Figures> {
  const [row] = await askClickHouse(
    place,
    `SELECT (SELECT count() FROM sessions_base) - (SELECT count() FROM session_events WHERE status = 'completed'),
      (SELECT count() FROM session_events WHERE status = 'completed' AND toDate(timestamp) = toDate(now('UTC'))),
      (SELECT sum(distance_cm) / 100 FROM session_movements WHERE intDiv(event_time_us, 86400000000) = toUInt32(toDate(now('UTC'))))`,
    { database },
  )
  const at = (index: number): number => Math.round(Number(row?.[index]))
  return { activeSessions: at(0), completedToday: at(1), distanceM: at(2) }
}

/** Metres are rounded on the way. */
function differences(a: Figures, b: Figures): number {
  const off = [
    a.activeSessions !== b.activeSessions,
    a.completedToday !== b.completedToday,
    !(Math.abs(a.distanceM - b.distanceM) <= 1_000),
  ]
  return off.filter(Boolean).length
}

/** What a stream says within its time, cut off then. */
async function liveText(url: string, key: string): Promise<string> {
  let text = ''
  try {
    const headers = { authorization: `Bearer ${key}` }
    const signal = AbortSignal.timeout(STREAM_MS_MAX)
    const response = await fetch(`${url}/live`, { headers, signal })
    if (!response.body) return text
    for await (const some of response.body.pipeThrough(new TextDecoderStream())) text += some
  } catch {
    // Its time is over, or nobody answers: what was heard counts.
  }
  return text
}

function finding(what: string, count: number): Finding {
  return { kind: 'wrong', what: `figures of the live feed${what}`, count }
}
