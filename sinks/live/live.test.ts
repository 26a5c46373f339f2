import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test'

import { systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { startRedis } from '../../actors/testing/servers.ts'
import { skipped } from '../../actors/testing/services.ts'
import { decode, encode, encodeLarge } from './codec.ts'
import { LiveLink } from './link.ts'
import { joinLive, joinRegions, splitLive, splitRegions } from './parts.ts'
import { LiveReader } from './reader.ts'
import { LiveWriter } from './writer.ts'

setDefaultTimeout(30_000)

type Text = Readonly<{ text: string }>

test('texts come back as they were, compressed or not, and what is of another version is refused', async () => {
  for (const text of ['', 'ä€😀', 'x'.repeat(5_000)]) {
    expect(decode<Text>(encode({ text }))).toEqual({ text })
    expect(decode<Text>(await encodeLarge({ text }))).toEqual({ text })
  }
  for (const text of ['', '{}', '2:{}', '1:7', '1z!']) {
    expect(() => decode<Text>(text)).toThrow('of this version')
  }
})

test('snapshots come back from their parts as they were, empty ones too', () => {
  const vehicle = { vehicleId: 'v', orderId: 'o', startLat: 1, startLng: 2, endLat: 3, endLng: 4 }
  for (const count of [0, 1, 2_000, 2_001, 5_000]) {
    const handles = Array.from({ length: count }, (_, at) => at)
    const vehicles = handles.map((handle) => ({ handle, sessionId: `s${handle}`, ...vehicle }))
    const pos = handles.slice(1).flatMap((handle) => [handle, 1, 2, 3, 4, 5, 6, 7, 8])
    const live = { nowMs: 5, vehicles, pos, events: [] }
    expect(joinLive(splitLive(live))).toEqual(live)
    const window = { regionId: 1, sizeS: 60, startMs: 0, tripCount: 1, totalFare: 1 } as const
    const regions = { nowMs: 5, watermarkMs: 7, regions: [], windows: handles.map(() => window) }
    const parts = splitRegions(regions as never)
    expect(joinRegions(parts)).toEqual(regions as never)
  }
})

describe.skipIf(skipped(['redis'], process.env))('writers and readers of the live feed', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  let link: LiveLink
  const opened: AsyncDisposable[] = []
  beforeAll(async () => {
    redis = await startRedis({ env: process.env })
    link = new LiveLink({ url: redis.url, clock: systemClock })
  })
  afterAll(async () => {
    link.close()
    await redis[Symbol.asyncDispose]()
  })
  beforeEach(() => link.send('FLUSHALL', []))
  afterEach(async () => {
    for (const one of opened.splice(0)) await one[Symbol.asyncDispose]()
  })

  const writerOf = (epoch: number) => new LiveWriter({ link, channel: 'live', partition: 3, epoch })
  /** A worker with its first snapshot shown. */
  const shown = async (epoch: number, seq: number): Promise<LiveWriter> => {
    const writer = writerOf(epoch)
    await writer.beat(null)
    await show(writer, seq, `snapshot ${epoch}-${seq}`)
    return writer
  }
  const show = async (writer: LiveWriter, seq: number, text: string): Promise<void> => {
    const { written } = await writer.show([{ text }], { seq, anew: true, after: '' })
    expect(written).toBe('written')
  }
  const append = async (writer: LiveWriter, seq: number) =>
    (await writer.append(seq, { text: `delta ${seq}` })).written

  /** What a web process is told, in order. */
  const reading = () => {
    const told: string[] = []
    const reader = new LiveReader<Text, Text>({
      ...{ channel: 'live', link: new LiveLink({ url: redis.url, clock: systemClock }) },
      waiting: new LiveLink({ url: redis.url, clock: systemClock, commandMsMax: 5_000 }),
      join: (parts) => ({ text: parts.map(({ text }) => text).join() }),
      target: {
        replace: (_, { text }) => void told.push(text),
        apply: (_, { text }) => void told.push(text),
        drop: () => void told.push('dropped'),
        figures: () => {},
      },
      ...{ clock: systemClock, log: silentLog },
    })
    reader.start()
    opened.push({ [Symbol.asyncDispose]: () => reader.close() })
    return told
  }
  const until = async (holds: () => boolean): Promise<void> => {
    for (const endMs = performance.now() + 15_000; !holds() && performance.now() < endMs;) {
      await new Promise<void>((resolve) => void systemClock.after(5, resolve))
    }
  }
  const tells = async (told: readonly string[], ...expected: readonly string[]): Promise<void> => {
    await until(() => told.length >= expected.length)
    expect(told).toEqual([...expected])
  }

  test('a reader gets a snapshot and each delta after it once, wherever the snapshot lies among them', async () => {
    const writer = await shown(1, 0)
    for (const seq of [1, 2, 3]) expect(await append(writer, seq)).toBe('written')
    const after = writer.newest
    for (const seq of [4, 5]) await append(writer, seq)
    const early = reading()
    await tells(early, 'snapshot 1-0', 'delta 1', 'delta 2', 'delta 3', 'delta 4', 'delta 5')
    // Taken at 4, and not quite sure of what was there by then.
    await writer.show([{ text: 'at 4' }, { text: 'too' }], { seq: 4, anew: false, after })
    const late = reading()
    await tells(late, 'at 4,too', 'delta 5')
    await append(writer, 6)
    await until(() => early.length > 6)
    await tells(late, 'at 4,too', 'delta 5', 'delta 6')
    expect(early.at(-1)).toBe('delta 6')
    expect(early).toHaveLength(7)
  })

  test('a delta that does not follow is not shown: a snapshot comes first', async () => {
    const writer = await shown(1, 0)
    const told = reading()
    await append(writer, 1)
    await tells(told, 'snapshot 1-0', 'delta 1')
    const delta = encode({ text: 'out of order' })
    const entry = ['epoch', '1', 'seq', '3', 'delta', delta]
    await link.send('XADD', ['orrery:live:3', '*', ...entry])
    // What was shown leads nowhere: the reader takes it away, and the worker hears of it.
    const stale = async (): Promise<boolean> => (await writer.beat(null)).state === 'snapshot'
    for (let tries = 0; tries < 500 && !(await stale()); tries++) await Bun.sleep(5)
    expect(await append(writer, 2)).toBe('snapshot')
    await show(writer, 4, 'at 4')
    await tells(told, 'snapshot 1-0', 'delta 1', 'at 4')
    await append(writer, 5)
    await tells(told, 'snapshot 1-0', 'delta 1', 'at 4', 'delta 5')
  })

  test('a writer goes on only where readers can', async () => {
    const writer = await shown(1, 0)
    expect(await append(writer, 2)).toBe('snapshot')
    expect(await append(writer, 1)).toBe('written')
    expect(await append(writer, 1)).toBe('snapshot')
    await link.send('DEL', ['orrery:live:3:snapshot'])
    expect(await append(writer, 2)).toBe('snapshot')
    await link.send('FLUSHALL', [])
    expect(await append(writer, 2)).toBe('snapshot')
  })

  test('a later owner refuses an earlier one everything', async () => {
    const [old, owner] = [await shown(1, 5), writerOf(2)]
    expect(await owner.beat(null)).toMatchObject({ state: 'snapshot' })
    expect(await append(old, 6)).toBe('fenced')
    const late = await old.show([{ text: 'late' }], { seq: 6, anew: true, after: '' })
    expect(late.written).toBe('fenced')
    expect(await old.beat({})).toMatchObject({ state: 'fenced' })
    await show(owner, 0, 'of the owner')
    expect(await append(owner, 1)).toBe('written')
    await tells(reading(), 'of the owner', 'delta 1')
  })

  test('what an earlier owner writes into an empty Redis is not shown', async () => {
    await shown(1, 0)
    const owner = await shown(2, 0)
    const told = reading()
    await tells(told, 'snapshot 2-0')
    // The reader has come to want a snapshot, and there is none.
    await link.send('DEL', ['orrery:live:3:snapshot'])
    await link.send('XADD', ['orrery:live:3', '*', 'epoch', '2', 'seq', '5'])
    await new Promise<void>((resolve) => void systemClock.after(200, resolve))
    await link.send('FLUSHALL', [])
    const zombie = await shown(1, 70)
    for (const seq of [71, 72, 73]) expect(await append(zombie, seq)).toBe('written')
    // Longer than it takes to find it.
    await new Promise<void>((resolve) => void systemClock.after(1_500, resolve))
    expect(told).toEqual(['snapshot 2-0'])
    await owner.beat(null)
    await show(owner, 8, 'of the owner')
    await tells(told, 'snapshot 2-0', 'of the owner')
    await append(owner, 9)
    await tells(told, 'snapshot 2-0', 'of the owner', 'delta 9')
  })

  test('a Redis whose clock is behind the one before it is noticed', async () => {
    const writer = await shown(1, 0)
    await link.send('XADD', ['orrery:live:3', '9999999999999-0', 'epoch', '1', 'seq', '0'])
    await append(writer, 1)
    const told = reading()
    await tells(told, 'snapshot 1-0', 'delta 1')
    await link.send('FLUSHALL', [])
    await writer.beat(null)
    await show(writer, 7, 'at 7')
    await tells(told, 'snapshot 1-0', 'delta 1', 'at 7')
    await append(writer, 8)
    await tells(told, 'snapshot 1-0', 'delta 1', 'at 7', 'delta 8')
  })

  test('what no Orrery has written is left alone, and the reader goes on', async () => {
    const writer = await shown(1, 0)
    const told = reading()
    await tells(told, 'snapshot 1-0')
    const entry = ['epoch', '1', 'seq', '1', 'delta', '9:{}']
    await link.send('XADD', ['orrery:live:3', '*', ...entry])
    const stale = async (): Promise<boolean> => (await writer.beat(null)).state === 'snapshot'
    await append(writer, 1)
    await append(writer, 2)
    for (let tries = 0; tries < 500 && !(await stale()); tries++) await Bun.sleep(5)
    await show(writer, 3, 'at 3')
    await until(() => told.includes('at 3'))
    expect(told).not.toContain('9:{}')
    expect(told.at(-1)).toBe('at 3')
  })
})
