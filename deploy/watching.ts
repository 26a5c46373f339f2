import type { Watching } from '../gateway/ports.ts'

/** True while one of them has somebody to show deltas to. */
export function isWatched(listeners: ReadonlySet<Watching>): boolean {
  for (const { watching } of listeners) if (watching?.() ?? true) return true
  return false
}
