/** A segment of which `live` states are the newest that were published of their actors. */
export type SegmentUse = Readonly<{ number: number; states: number; live: number }>

/**
 * Which segments a publish of `changed` states writes again. Those that are garbage by more than half: each state
 * written again is paid for by one that was. Then all up to the largest that holds no more than everything smaller
 * together: each of their states moves into a segment at least twice as large, and what stays doubles from one to the
 * next.
 */
export function segmentsToMerge(changed: number, segments: readonly SegmentUse[]): SegmentUse[] {
  const merged = segments.filter(({ live, states }) => states > 2 * live)
  const rest = segments.filter(({ live, states }) => states <= 2 * live)
  rest.sort((a, b) => a.live - b.live)
  let smaller = merged.reduce((sum, { live }) => sum + live, changed)
  let count = 0
  for (const [index, { live }] of rest.entries()) {
    if (live <= smaller) count = index + 1
    smaller += live
  }
  return [...merged, ...rest.slice(0, count)]
}
