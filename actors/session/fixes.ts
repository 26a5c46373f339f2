import type { Fix } from '../model/history.ts'

const RANK: Readonly<Record<string, number>> = { started: 0, en_route: 1, completed: 2 }

/** A total order of fixes: event time, then status as deliveries go through them, then position. */
export function compareFixes(a: Fix, b: Fix): number {
  if (a.eventTimeUs !== b.eventTimeUs) return a.eventTimeUs < b.eventTimeUs ? -1 : 1
  if (a.status !== b.status) return (RANK[a.status] ?? 3) - (RANK[b.status] ?? 3)
  if (a.lat !== b.lat) return a.lat < b.lat ? -1 : 1
  if (a.lng !== b.lng) return a.lng < b.lng ? -1 : 1
  return 0
}

/** Where a fix belongs in a sorted list: the place of the first one not before it, and whether that is itself. */
export function placeOf(
  fixes: readonly Fix[],
  fix: Fix,
): Readonly<{ index: number; known: boolean }> {
  // From the end: nearly every fix is the newest.
  let index = fixes.length
  for (; index > 0; index--) {
    const other = fixes[index - 1]
    if (!other) break
    const order = compareFixes(other, fix)
    if (order === 0) return { index: index - 1, known: true }
    if (order < 0) break
  }
  return { index, known: false }
}

/** A copy with the fix at its place, the oldest let go beyond `max`. */
export function withFix(
  fixes: readonly Fix[],
  index: number,
  fix: Fix,
  max: number,
): readonly Fix[] {
  const next = fixes.slice()
  if (index === next.length) next.push(fix)
  else next.splice(index, 0, fix)
  if (next.length > max) next.shift()
  return next
}
