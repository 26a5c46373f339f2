import type { RowKind } from './replay-rows.ts'
import type { ReplayState } from './replay.ts'

const BAR = 28
const SHOWN_BAD_LINES = 20

/** How much there is to send; null for what nobody knows. */
export type ReplayTotals = Readonly<{ bytes: number | null; rows: number | null }>

/** One line of progress: a bar and the time left when it is known how much there is. */
export function progressText(state: ReplayState, totals: ReplayTotals, tookS: number): string {
  const share = shareOf(state, totals)
  const bar =
    share === null
      ? ''
      : `[${'█'.repeat(Math.round(share * BAR)).padEnd(BAR, '·')}] ${Math.floor(share * 100)} %  `
  const refused = state.refused > 0 ? `, ${whole(state.refused)} refused` : ''
  const left = share && share < 1 ? `, ${duration((tookS / share) * (1 - share))} left` : ''
  const bytes = ` (${(state.bytesRead / 1_048_576).toFixed(1)} MiB)`
  return `${bar}${whole(state.sent)} sent${bytes}${refused}, ${whole(rateOf(state, tookS))}/s${left}`
}

function shareOf(state: ReplayState, { rows, bytes }: ReplayTotals): number | null {
  if (rows) return Math.min(1, state.sent / rows)
  return bytes ? Math.min(1, state.bytesRead / bytes) : null
}

function duration(seconds: number): string {
  const s = Math.ceil(seconds)
  if (s < 60) return `${s} s`
  return s < 3_600 ? `${Math.ceil(s / 60)} min` : `${(s / 3_600).toFixed(1)} h`
}

const LATE_TEXT = [
  '  Late trips came after their window was final. They are in the table trips, and in their window if',
  '  ALLOWED_LATENESS_MS covers them. A recording from before the newest trip needs a DATA_DIR of its own.',
]

/** What a replay came to. */
export function replaySummary(
  state: ReplayState,
  about: Readonly<{ kind: RowKind; tookS: number; rowsBefore: number; flushed: boolean }>,
): string {
  const { sent, accepted, duplicates, late, refused, repeated, badLines } = state
  const { kind, tookS, rowsBefore } = about
  const row = (name: string, value: string): string => `  ${name.padEnd(12)}${value}`
  const lines = [
    row('sent', whole(sent)),
    row('accepted', whole(accepted)),
    row('duplicate', duplicates === null && accepted > 0 ? 'not counted' : whole(duplicates ?? 0)),
    ...(late === null ? [] : [row('late', whole(late))]),
    row('refused', whole(refused)),
    row('took', `${tookS.toFixed(2)} s, ${whole(rateOf(state, tookS))} ${kind}/s`),
  ]
  if (rowsBefore > 0) lines.unshift(row('before', `${whole(rowsBefore)}, by an earlier replay`))
  if (about.flushed) lines.push(row('flushed', 'every open window is final'))
  // A recording that is older than what came before is late as a whole, and nothing else would say why.
  if (late !== null && late > 0) lines.push(...LATE_TEXT)
  if (repeated > 0)
    lines.push(row('repeated', `${whole(repeated)} batches, the server was busy or away`))
  for (const bad of badLines.toSorted((a, b) => a.line - b.line).slice(0, SHOWN_BAD_LINES))
    lines.push(`  line ${bad.line}: ${bad.reason}`)
  const more = refused - Math.min(badLines.length, SHOWN_BAD_LINES)
  if (more > 0) lines.push(`  and ${whole(more)} more`)
  return lines.join('\n')
}

/** Shows progress on a terminal in place, elsewhere as a line every two seconds. Call the result to end it. */
export function showReplayProgress(
  stream: Readonly<{ isTTY?: boolean; write(text: string): unknown }>,
  totals: ReplayTotals,
  nowMs: () => number,
): { show: (state: ReplayState) => void; end: () => void } {
  const startedMs = nowMs()
  const everyMs = stream.isTTY ? 100 : 2_000
  let shownMs = startedMs
  return {
    show(state) {
      const atMs = nowMs()
      if (atMs - shownMs < everyMs) return
      shownMs = atMs
      const text = progressText(state, totals, (atMs - startedMs) / 1_000)
      stream.write(stream.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
    },
    end() {
      if (stream.isTTY) stream.write('\r\u001b[K')
    },
  }
}

function rateOf(state: ReplayState, tookS: number): number {
  return tookS > 0 ? Math.round(state.sent / tookS) : 0
}

function whole(value: number): string {
  return value.toLocaleString('en-US')
}
