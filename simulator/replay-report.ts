import type { ReplayState } from './replay.ts'

const BAR = 28
const SHOWN_BAD_LINES = 10

/** One line of progress: a bar when it is known how much there is. */
export function progressText(state: ReplayState, bytesTotal: number | null, tookS: number): string {
  const share = bytesTotal ? Math.min(1, state.bytesRead / bytesTotal) : null
  const bar =
    share === null
      ? ''
      : `[${'█'.repeat(Math.round(share * BAR)).padEnd(BAR, '·')}] ${Math.floor(share * 100)} %  `
  const refused = state.refused > 0 ? `, ${state.refused} refused` : ''
  return `${bar}${whole(state.sent)} sent${refused}, ${whole(rateOf(state, tookS))}/s`
}

/** What a replay came to. */
export function replaySummary(state: ReplayState, tookS: number): string {
  const { sent, accepted, duplicates, refused, repeated, badLines } = state
  const row = (name: string, value: string): string => `  ${name.padEnd(12)}${value}`
  const lines = [
    row('sent', whole(sent)),
    row('accepted', whole(accepted)),
    row('duplicate', duplicates === null && accepted > 0 ? 'not counted' : whole(duplicates ?? 0)),
    row('refused', whole(refused)),
    row('took', `${tookS.toFixed(2)} s, ${whole(rateOf(state, tookS))} pings/s`),
  ]
  if (repeated > 0)
    lines.push(row('repeated', `${whole(repeated)} batches, the server was busy or away`))
  for (const bad of badLines.slice(0, SHOWN_BAD_LINES))
    lines.push(`  line ${bad.line}: ${bad.reason}`)
  const more = refused - Math.min(badLines.length, SHOWN_BAD_LINES)
  if (more > 0) lines.push(`  and ${whole(more)} more`)
  return lines.join('\n')
}

/** Shows progress on a terminal in place, elsewhere as a line every two seconds. Call the result to end it. */
export function showReplayProgress(
  stream: Readonly<{ isTTY?: boolean; write(text: string): unknown }>,
  bytesTotal: number | null,
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
      const text = progressText(state, bytesTotal, (atMs - startedMs) / 1_000)
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
