import { expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { Directory } from '../actors/kernel/directory.ts'
import { MemoryStateStore } from '../actors/kernel/memory-state-store.ts'
import type { StoredState } from '../actors/kernel/state-store.ts'
import { Histogram, silentLog, Telemetry } from '../actors/kernel/telemetry.ts'
import { sessionBehavior } from '../actors/session/behavior.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import { Live } from './live.ts'

test('a start reads no more sessions for the map than it has room for', () => {
  const clock = new VirtualClock()
  const behavior = sessionBehavior({ silentAfterMs: 600_000, overdueAfterMs: 600_000 })
  const { state } = behavior.receive(
    behavior.initial(),
    {
      ...{ deviceId: 'd', vehicleId: 'v', sessionId: 's', orderId: 'o', status: 'started' },
      ...{ eventTimeUs: clock.nowMs() * 1_000, lat: 38, lng: 23 },
      ...{ startLat: 38, startLng: 23, endLat: 38, endLng: 24 },
    },
    { partition: 0, offset: 0, receivedMs: clock.nowMs() },
  )
  const store = new MemoryStateStore()
  let read = 0
  store.live = function* (): Iterable<StoredState> {
    const stored = { version: behavior.version, state: behavior.encode(state), offset: 0 }
    for (;;) yield { ...stored, key: `session:${read++}`, timerMs: null, live: true }
  }
  const live = new Live(clock, new Telemetry(), silentLog)
  live.restore({
    directory: new Directory(behavior, store),
    states: store,
    board: new MetricsBoard(),
    accepted: () => 0,
    completeUpToMs: () => 0,
    ackMs: new Histogram([1]),
    queryableMs: new Histogram([1]),
  })
  expect(read).toBe(200_001)
})
