import { describe, expect, test } from 'bun:test'
import { EventEmitter } from 'node:events'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { jsonLog } from '../actors/kernel/telemetry.ts'
import type { StopOutcome } from './running.ts'
import { runUntilStopped, STOP_MS } from './shutdown.ts'

function setUp() {
  const source = new EventEmitter()
  const clock = new VirtualClock()
  const lines: string[] = []
  const deadlines: number[] = []
  const stopping = Promise.withResolvers<StopOutcome>()
  const running = {
    url: 'http://localhost:8000',
    address: { host: '0.0.0.0', port: 8000 },
    stop(deadlineMs: number) {
      deadlines.push(deadlineMs)
      return stopping.promise
    },
  }
  const log = jsonLog('debug', (line) => lines.push(line), clock.nowMs.bind(clock))
  const exitCode = runUntilStopped(running, { source, clock, log })
  return { source, clock, lines, deadlines, stopping, exitCode }
}

const CLEAN: StopOutcome = { clean: true, unflushed: [] }

describe('a signal', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    '%s stops in order, and clean is 0',
    async (signal) => {
      const { source, deadlines, stopping, exitCode, clock } = setUp()
      source.emit(signal, signal)
      expect(deadlines).toEqual([STOP_MS])
      stopping.resolve(CLEAN)
      expect(await exitCode).toBe(0)
      expect(source.listenerCount(signal)).toBe(0)
      expect(clock.waiting).toBe(0)
    },
  )

  test('what was not flushed is named and exits 1', async () => {
    const { source, stopping, exitCode, lines } = setUp()
    source.emit('SIGTERM', 'SIGTERM')
    stopping.resolve({ clean: false, unflushed: ['iceberg'] })
    expect(await exitCode).toBe(1)
    expect(lines.at(-1)).toContain('"unflushed":["iceberg"]')
  })

  test('its copy from the parent does not hurry the stop', async () => {
    const { source, stopping, exitCode, clock, deadlines } = setUp()
    source.emit('SIGINT', 'SIGINT')
    await clock.advanceMs(20)
    source.emit('SIGINT', 'SIGINT')
    stopping.resolve(CLEAN)
    expect(await exitCode).toBe(0)
    expect(deadlines).toHaveLength(1)
  })

  test('a second one later ends at once', async () => {
    const { source, exitCode, clock } = setUp()
    source.emit('SIGINT', 'SIGINT')
    await clock.advanceMs(1_000)
    source.emit('SIGINT', 'SIGINT')
    expect(await exitCode).toBe(130)
    expect(clock.waiting).toBe(0)
  })
})

describe('a stop', () => {
  test('that hangs ends within ten seconds', async () => {
    const { source, exitCode, clock, lines } = setUp()
    source.emit('SIGTERM', 'SIGTERM')
    await clock.advanceMs(9_999)
    expect(await exitCode).toBe(1)
    expect(lines.at(-1)).toContain('not stopped in time')
  })

  test('that throws exits 1', async () => {
    const { source, stopping, exitCode } = setUp()
    source.emit('SIGTERM', 'SIGTERM')
    stopping.reject(new Error('broken'))
    expect(await exitCode).toBe(1)
  })
})

test('a fault nobody caught stops in order and exits 1', async () => {
  const { source, stopping, exitCode, deadlines, lines } = setUp()
  source.emit('uncaughtException', new Error('oops'))
  source.emit('unhandledRejection', new Error('again'))
  expect(deadlines).toHaveLength(1)
  stopping.resolve(CLEAN)
  expect(await exitCode).toBe(1)
  expect(lines.filter((line) => line.includes('unexpected fault'))).toHaveLength(2)
})
