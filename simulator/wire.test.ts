import { describe, expect, test } from 'bun:test'

import { parseSimulateOptions } from './options.ts'
import { authenticationFrame, derivedUuid, readReply, wireTime } from './wire.ts'

describe('the wire', () => {
  test('authenticates as the old simulator does', () => {
    expect(JSON.parse(authenticationFrame('k'))).toEqual({ type: 'authentication', api_key: 'k' })
  })

  test('times are naive UTC with six digits, also on a whole second', () => {
    expect(wireTime(1_790_000_000_000)).toBe('2026-09-21T14:13:20.000000')
    expect(wireTime(1_790_000_000_000.123)).toBe('2026-09-21T14:13:20.000123')
  })

  test('the same words make the same id, other words another', () => {
    expect(derivedUuid('a', 1)).toBe(derivedUuid('a', 1))
    expect(derivedUuid('a', 1)).not.toBe(derivedUuid('a', 2))
    expect(derivedUuid('a', 11)).not.toBe(derivedUuid('a1', 1))
  })

  test('understands the replies of both gateways', () => {
    expect(readReply('{"success":true,"message":"Data received"}', 1)).toEqual({
      kind: 'settled',
      refused: [],
      refusedCount: 0,
    })
    const refused = readReply('{"success":false,"message":"1 validation error"}', 1)
    expect(refused).toMatchObject({ kind: 'settled', refusedCount: 1 })
    const some = readReply(
      '{"success":false,"message":"","accepted":48,"refused":[{"index":3,"code":"c","message":"m"}],"refusedCount":2}',
      50,
    )
    expect(some).toMatchObject({ kind: 'settled', refusedCount: 2, refused: [{ index: 3 }] })
    const busy = readReply('{"success":false,"message":"","code":"busy","retry_after_ms":70}', 50)
    expect(busy).toMatchObject({ kind: 'busy', retryAfterMs: 70 })
    expect(readReply('nonsense', 1).kind).toBe('broken')
  })
})

describe('options', () => {
  const read = (...args: string[]) => parseSimulateOptions(args, {}, 0)

  test('fill themselves in by the kind of protocol', () => {
    expect(read('--vehicles', '1000')).toMatchObject({
      sockets: 64,
      framesInFlightMax: 1,
      framePings: 1,
    })
    expect(read('--frame', '50')).toMatchObject({ sockets: 1, framesInFlightMax: 8 })
    expect(read('--url', 'ws://h:1')).toMatchObject({ url: 'ws://h:1/ws' })
    expect(
      parseSimulateOptions([], { API_KEY: 'from-environment', DATA_DIR: '/d' }, 0),
    ).toMatchObject({
      key: 'from-environment',
      dataDir: '/d',
    })
    expect(read('--help')).toBeNull()
  })

  test('wrong ones are refused with what to write', () => {
    expect(() => read('--url', 'http://h')).toThrow('must begin with ws://')
    expect(() => read('--vehicles', 'many')).toThrow('--vehicles is "many"')
    expect(() => read('--rate', '0')).toThrow('--rate is "0"')
    expect(() => read('--faults', 'fire')).toThrow('unknown fault')
    expect(() => read('--speeed', '2')).toThrow('speeed')
  })
})
