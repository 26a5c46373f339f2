import { signal } from '@preact/signals'

import { fetchWindows } from './regions-api.ts'
import { regions } from './regions-live.ts'
import { timelineEndMs, timelineOf } from './regions-shown.ts'
import { back, size, sizeS } from './regions-view.ts'
import { SLOTS } from './timeline.ts'

/** Why older windows did not come, or nothing. */
export const olderTrouble = signal('')

/** Moves the timeline so many screens into the past, and asks for what is not here yet. */
export async function loadBack(screens: number): Promise<void> {
  const regionId = timelineOf.peek()
  const endMs = timelineEndMs.peek()
  if (regionId === null || endMs === null) return
  const [name, seconds] = [size.peek(), sizeS.peek()]
  const spanMs = SLOTS * seconds * 1_000
  const toMs = endMs - (screens - back.peek()) * spanMs
  const answer = await fetchWindows({
    ...{ regionId, size: name, limit: SLOTS },
    ...{ fromMs: Math.max(0, toMs - spanMs + seconds * 1_000), toMs: Math.max(0, toMs) },
  })
  if (timelineOf.peek() !== regionId || sizeS.peek() !== seconds) return
  olderTrouble.value = answer.ok ? '' : `Older windows did not come: ${answer.message}`
  if (!answer.ok) return
  regions.addOlder(regionId, seconds, answer.value)
  back.value = screens
}
