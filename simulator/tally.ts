import { Histogram } from '../actors/kernel/telemetry.ts'

/** Upper bounds of the latency buckets: a sixth apart, from a twentieth of a millisecond to two minutes. */
const ACK_BOUNDS_MS = Array.from({ length: 100 }, (_, step) => 0.05 * 1.16 ** step)

/** Every count that a run of the simulator keeps. Pings count once, however often they were sent. */
export class Tally {
  generated = 0
  acknowledged = 0
  refused = 0
  /** Never sent, by the fault `drop`. */
  dropped = 0
  /** Never sent, because the outbox was full. */
  overflowed = 0
  duplicatesSent = 0
  /** Pings written a second time because their frame had no answer. */
  sentAgain = 0
  reordered = 0
  late = 0
  cuts = 0
  reconnects = 0
  busy = 0
  /** Replies that came for no frame, or made no sense. */
  strayReplies = 0
  readonly ackMs = new Histogram(ACK_BOUNDS_MS)
  readonly refusals = new Map<string, number>()

  refuse(reason: string, pings = 1): void {
    this.refused += pings
    // Reasons quote values; a bound keeps a stream of odd ones from growing this.
    const known = this.refusals.has(reason) || this.refusals.size < 20 ? reason : 'other reasons'
    this.refusals.set(known, (this.refusals.get(known) ?? 0) + pings)
  }

  /** What became of all that was generated, `unacknowledged` being what outboxes still hold. */
  settle(unacknowledged: number): Summary {
    const { generated, acknowledged, refused, dropped, overflowed } = this
    const sum = acknowledged + refused + dropped + overflowed + unacknowledged
    return {
      generated,
      acknowledged,
      refused,
      dropped,
      overflowed,
      unacknowledged,
      addsUp: sum === generated,
      duplicatesSent: this.duplicatesSent,
      sentAgain: this.sentAgain,
      reordered: this.reordered,
      late: this.late,
      cuts: this.cuts,
      reconnects: this.reconnects,
      busy: this.busy,
      strayReplies: this.strayReplies,
      ackP50Ms: round(this.ackMs.quantile(0.5)),
      ackP95Ms: round(this.ackMs.quantile(0.95)),
      ackP99Ms: round(this.ackMs.quantile(0.99)),
      refusals: Object.fromEntries(this.refusals),
    }
  }
}

/** A run's books, closed. */
export type Summary = Readonly<{
  generated: number
  acknowledged: number
  refused: number
  dropped: number
  overflowed: number
  unacknowledged: number
  /** Each generated ping is in exactly one of the five counts above. */
  addsUp: boolean
  duplicatesSent: number
  sentAgain: number
  reordered: number
  late: number
  cuts: number
  reconnects: number
  busy: number
  strayReplies: number
  ackP50Ms: number
  ackP95Ms: number
  ackP99Ms: number
  refusals: Readonly<Record<string, number>>
}>

/** The closed books as text, one sum a reader can check. */
export function describeSummary(summary: Summary, tookS: number): string {
  const whole = (value: number): string => value.toLocaleString('en-US')
  const row = (name: string, value: number, note = ''): string =>
    `  ${name.padEnd(22)}${whole(value).padStart(13)}${note && `   ${note}`}`
  const rate = tookS > 0 ? Math.round(summary.acknowledged / tookS) : 0
  const lines = [
    row('generated', summary.generated, `in ${tookS.toFixed(1)} s`),
    row('= acknowledged', summary.acknowledged, `${whole(rate)} a second`),
    row('+ refused', summary.refused),
    row('+ dropped by fault', summary.dropped),
    ...(summary.overflowed > 0
      ? [row('+ outbox full', summary.overflowed, 'the server was away for too long')]
      : []),
    row('+ unacknowledged', summary.unacknowledged),
    summary.addsUp
      ? '    the sum is right'
      : '    THE SUM IS WRONG: a fault of the simulator, please report',
    row('duplicates sent', summary.duplicatesSent),
    row('sent again', summary.sentAgain, `${summary.cuts} cuts, ${summary.reconnects} reconnects`),
    row('out of order', summary.reordered, `late ${whole(summary.late)}, busy ${summary.busy}`),
    `  acknowledged in       p50 ${summary.ackP50Ms} ms, p95 ${summary.ackP95Ms} ms, p99 ${summary.ackP99Ms} ms`,
    ...Object.entries(summary.refusals).map(([why, count]) => `  refused ${whole(count)}: ${why}`),
  ]
  return lines.join('\n')
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
