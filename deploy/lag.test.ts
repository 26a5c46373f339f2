import { expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { Telemetry } from '../actors/kernel/telemetry.ts'
import { EventLoopLag } from './lag.ts'

/** A clock whose timers come late: what a busy event loop does. */
class LateClock extends VirtualClock {
  lateMs = 0

  override after(delayMs: number, call: () => void): () => void {
    return super.after(delayMs + this.lateMs, call)
  }
}

function started() {
  const clock = new LateClock()
  const telemetry = new Telemetry()
  const lag = new EventLoopLag({ clock, telemetry, limitMs: 250 })
  lag.start()
  return { clock, telemetry, lag }
}

test('an event loop that comes on time sheds nothing', async () => {
  const { clock, telemetry, lag } = started()
  await clock.advanceMs(10_000)
  expect(lag.recentMs).toBe(0)
  expect(lag.overloaded()).toBeNull()
  expect(telemetry.histogram('orrery_event_loop_lag_ms', '').count).toBe(200)
  expect(lag.health()).toEqual({ status: 'healthy', detail: '0 ms late' })
})

test('one long pause is no overload', async () => {
  const { clock, lag } = started()
  clock.lateMs = 270
  await clock.advanceMs(50)
  clock.lateMs = 0
  await clock.advanceMs(320)
  expect(lag.recentMs).toBeGreaterThan(50)
  expect(lag.overloaded()).toBeNull()
})

test('late all the time is: senders are told so within seconds', async () => {
  const { clock, lag } = started()
  clock.lateMs = 400
  await clock.advanceMs(2_000)
  expect(lag.overloaded()).toContain('more than this machine takes')
  expect(lag.health().status).toBe('degraded')
})

test('it goes on by itself, and only when the lag has fallen to half of the limit', async () => {
  const { clock, lag } = started()
  clock.lateMs = 400
  await clock.advanceMs(10_000)
  clock.lateMs = 200
  await clock.advanceMs(10_000)
  expect(lag.recentMs).toBeGreaterThan(190)
  expect(lag.overloaded()).not.toBeNull()
  clock.lateMs = 100
  await clock.advanceMs(3_000)
  expect(lag.overloaded()).toBeNull()
  clock.lateMs = 200
  await clock.advanceMs(10_000)
  expect(lag.overloaded()).toBeNull()
})

test('after the process stood still for a minute, little more is turned away', async () => {
  const { clock, lag } = started()
  clock.lateMs = 60_000
  await clock.advanceMs(100)
  clock.lateMs = 0
  await clock.advanceMs(60_000)
  expect(lag.overloaded()).not.toBeNull()
  await clock.advanceMs(2_500)
  expect(lag.overloaded()).toBeNull()
})

test('nothing is left behind when it stops', async () => {
  const { clock, lag } = started()
  await clock.advanceMs(1_000)
  lag.stop()
  expect(clock.waiting).toBe(0)
})
