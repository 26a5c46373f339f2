/** A session beyond its live position, as `GET /api/sessions/:id` gives it. */
export type SessionDetail = Readonly<{
  sessionId: string
  vehicleId: string
  orderId: string
  deviceId: string
  createdAtMs: number
  pings: number
  distanceM: number
  events: readonly Readonly<{ status: string; atMs: number }>[]
}>

/** One point of a session's track, oldest first. */
export type TrailPoint = Readonly<{
  atMs: number
  lat: number
  lng: number
  speedKmh: number | null
  status: string
}>

/** An answer, or why there is none: `missing` is not stored yet. */
export type Answer<Value> =
  | Readonly<{ ok: true; value: Value }>
  | Readonly<{ ok: false; why: 'missing' | 'signed_out' | 'failed'; message: string }>

/** What is stored of a session. */
export function fetchSession(
  sessionId: string,
  signal: AbortSignal,
): Promise<Answer<SessionDetail>> {
  return ask(`/api/sessions/${encodeURIComponent(sessionId)}`, { signal })
}

/** A session's track over the last half hour. */
export function fetchTrail(
  sessionId: string,
  signal: AbortSignal,
): Promise<Answer<readonly TrailPoint[]>> {
  return ask(`/api/sessions/${encodeURIComponent(sessionId)}/trail?minutes=30`, { signal })
}

/** Starts or ends the demo fleet. */
export function setDemo(running: boolean): Promise<Answer<unknown>> {
  return ask('/api/demo', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ running }),
  })
}

/** Why a live stream was refused; an EventSource does not tell. */
export async function probeLive(path: string): Promise<'ok' | 'signed_out' | 'down'> {
  const stop = new AbortController()
  try {
    const answer = await fetch(path, { signal: stop.signal })
    stop.abort()
    if (answer.status === 401 || answer.status === 403) return 'signed_out'
    return answer.ok ? 'ok' : 'down'
  } catch {
    return 'down'
  }
}

/** Asks our own server; what it answers is what its types say. */
export async function ask<Value>(path: string, init: RequestInit): Promise<Answer<Value>> {
  try {
    const answer = await fetch(path, { ...init, credentials: 'same-origin' })
    if (answer.status === 404) return { ok: false, why: 'missing', message: 'Not stored yet.' }
    if (answer.status === 401 || answer.status === 403) {
      return { ok: false, why: 'signed_out', message: 'Sign in first.' }
    }
    if (!answer.ok) return { ok: false, why: 'failed', message: `Answer ${answer.status}.` }
    const text = await answer.text()
    // Our own server's answer: its shape is checked there, by type.
    return { ok: true, value: (text === '' ? null : JSON.parse(text)) as Value }
  } catch {
    return { ok: false, why: 'failed', message: 'The server did not answer.' }
  }
}
