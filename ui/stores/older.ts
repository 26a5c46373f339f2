import { signal } from '@preact/signals'

import { fetchTimeline } from './regions-api.ts'
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
  const spanMs = SLOTS * sizeS.peek() * 1_000
  const fromMs = endMs - (screens - back.peek() + 1) * spanMs
  const [name, seconds] = [size.peek(), sizeS.peek()]
  // The newest of all windows is here: hours are counted back from there, and from now where that is later.
  const hours = Math.ceil((Math.max(Date.now(), endMs + spanMs) - fromMs) / 3_600_000)
  const answer = await fetchTimeline({ regionId, size: name, sizeS: seconds, hours })
  olderTrouble.value = answer.ok ? '' : `Older windows did not come: ${answer.message}`
  if (!answer.ok) return
  regions.addOlder(regionId, seconds, answer.value)
  back.value = screens
}
