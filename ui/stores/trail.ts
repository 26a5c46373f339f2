import { effect, signal } from '@preact/signals'

import { fetchSession, fetchTrail, type SessionDetail, type TrailPoint } from './api.ts'
import { fleet } from './live.ts'
import { mercatorX, mercatorY } from './motion.ts'
import { selected } from './view.ts'

/** A point of the trail, projected. */
export type TrailMark = Readonly<{ x: number; y: number; speedKmh: number | null; atMs: number }>

const MARKS_MAX = 4_000
const ASK_AGAIN_MS = 2_000
const ASK_AGAIN_TIMES = 4

/** The trail of the selected session, oldest first; changed in place while it drives. */
export const trail: { marks: TrailMark[] } = { marks: [] }

/** What the store knows of the selected session; null until it answers. */
export const detail = signal<SessionDetail | null>(null)

/** Why there is no detail, in words. */
export const detailTrouble = signal('')

/** Loads trail and detail of whatever is selected, then lets the trail grow with each fix. */
export function keepTrail(): void {
  let stop = new AbortController()
  effect(() => {
    const sessionId = selected.value
    stop.abort()
    stop = new AbortController()
    trail.marks = []
    detail.value = null
    detailTrouble.value = ''
    if (sessionId !== null) {
      void loadTrail(sessionId, stop.signal)
      void loadDetail(sessionId, stop.signal)
    }
  })
  effect(() => {
    fleet.revision.value
    const vehicle = selected.value === null ? null : fleet.find(selected.value)
    if (!vehicle || vehicle.fixMs === 0) return
    const last = trail.marks[trail.marks.length - 1]
    if (last && last.atMs >= vehicle.fixMs) return
    trail.marks.push({
      x: mercatorX(vehicle.lng),
      y: mercatorY(vehicle.lat),
      speedKmh: vehicle.speedKmh,
      atMs: vehicle.fixMs,
    })
    if (trail.marks.length > MARKS_MAX) trail.marks.splice(0, trail.marks.length - MARKS_MAX)
  })
}

async function loadTrail(sessionId: string, signal: AbortSignal): Promise<void> {
  const answer = await fetchTrail(sessionId, signal)
  if (!answer.ok || signal.aborted) return
  const stored = answer.value.map(markOf)
  const lastMs = stored[stored.length - 1]?.atMs ?? 0
  trail.marks = [...stored, ...trail.marks.filter((mark) => mark.atMs > lastMs)]
}

function markOf({ lat, lng, speedKmh, atMs }: TrailPoint): TrailMark {
  return { x: mercatorX(lng), y: mercatorY(lat), speedKmh, atMs }
}

/** A session that began a moment ago is not stored yet: asked again a few times. */
async function loadDetail(sessionId: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; attempt <= ASK_AGAIN_TIMES; attempt += 1) {
    const answer = await fetchSession(sessionId, signal)
    if (signal.aborted) return
    if (answer.ok) {
      detail.value = answer.value
      detailTrouble.value = ''
      return
    }
    detailTrouble.value = answer.message
    if (answer.why !== 'missing') return
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
    if (signal.aborted) return
  }
}
