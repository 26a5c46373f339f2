import { afterEach, beforeEach, describe, expect, test } from 'bun:test'

import { seededRandom } from '../actors/kernel/clock.ts'
import { batchOf, rejection, signal, SinkBench, type SinkUnderTest } from './conformance-bench.ts'
import { SinkError } from './sink.ts'

/** What a suite is told beside the sink: the points at which it can be made to crash. */
export type SuiteOptions = Readonly<{ crashPoints?: readonly string[]; timeoutMs?: number }>

/** Strings that break a store which quotes, splits or re-encodes carelessly. */
const HAZARDS: readonly string[] = [
  `it's "quoted" \`twice\`, \\ and \\n, \\', \\u0041`,
  'line\nnext\r\nblank\n\nend\t.',
  '🛵 Ζωή naïve 東京 \u{1f469}\u200d\u{1f680} e\u0301 \u2028\u2029',
  '{"a":[1,2]}, NULL, \\N, \u0001\u007f, %s, ${x}, --, /* */;',
  'x'.repeat(64),
]

/** Declares one case of the suite. */
type Declare<Row> = (says: string, run: (bench: SinkBench<Row>) => Promise<void>) => void

/** The suite that every sink must pass over a real store. `make` gives each case an empty store of its own. */
export function describeSink<Row>(
  name: string,
  make: () => Promise<SinkUnderTest<Row>>,
  options: SuiteOptions = {},
): void {
  const { timeoutMs = 60_000, crashPoints = [] } = options
  describe(`sink ${name}`, () => {
    let bench: SinkBench<Row>
    beforeEach(async () => {
      bench = new SinkBench(await make())
    }, timeoutMs)
    afterEach(() => bench.cleanup(), timeoutMs)
    const that: Declare<Row> = (says, run) => test(says, () => run(bench), timeoutMs)
    storingCases(that)
    failingCases(that)
    for (const point of crashPoints) crashCases(that, point)
    that('any mix of cuts, repeats, crashes and reopenings stores each fact once', (opened) =>
      mixed(opened, crashPoints, 11),
    )
  })
}

function storingCases<Row>(that: Declare<Row>): void {
  that('an empty store is acknowledged up to -1', async (bench) => {
    expect(await bench.open()).toBe(-1)
    expect(await bench.readBack()).toEqual([])
  })

  that('a written batch is visible with all its rows, and its offset survives', async (bench) => {
    await bench.open()
    await bench.write(0, 9)
    await bench.expectStored(0, 9)
    expect(await bench.reopen()).toBe(9)
    await bench.expectStored(0, 9)
  })

  that('the same batch written again is stored once', async (bench) => {
    await bench.open()
    const batch = bench.batch(0, 9)
    await bench.sink.write(batch, signal())
    await bench.sink.write(batch, signal())
    await bench.expectStored(0, 9)
    await bench.reopen()
    await bench.sink.write(batch, signal())
    await bench.expectStored(0, 9)
    expect(await bench.reopen()).toBe(9)
  })

  that('an empty batch moves the offset', async (bench) => {
    await bench.open()
    await bench.write(0, 4)
    await bench.writeEmpty(5, 42)
    expect(await bench.reopen()).toBe(42)
    await bench.write(43, 47)
    await bench.expectStored(0, 4, 43, 47)
    expect(await bench.reopen()).toBe(47)
  })

  that('a store that has only seen empty batches knows its offset', async (bench) => {
    await bench.open()
    await bench.writeEmpty(0, 7)
    expect(await bench.reopen()).toBe(7)
    expect(await bench.readBack()).toEqual([])
  })

  that('a batch below the acknowledged offset does nothing', async (bench) => {
    await bench.open()
    await bench.write(0, 9)
    await bench.write(10, 19)
    await bench.write(0, 9)
    await bench.write(3, 12)
    await bench.writeEmpty(0, 5)
    await bench.expectStored(0, 19)
    expect(await bench.reopen()).toBe(19)
    await bench.write(0, 19)
    await bench.expectStored(0, 19)
  })

  that('many batches in order add up', async (bench) => {
    await bench.open()
    for (let first = 0; first < 20 * 7; first += 7) await bench.write(first, first + 6)
    await bench.expectStored(0, 139)
    expect(await bench.reopen()).toBe(139)
  })

  that('a batch of many rows is whole', async (bench) => {
    await bench.open()
    await bench.write(0, 4_999)
    await bench.expectStored(0, 4_999)
  })

  that('strings come back as they went in', async (bench) => {
    await bench.open()
    const expected: string[] = []
    for (const [index, text] of HAZARDS.entries()) {
      const [first, last] = [index * 3, index * 3 + 2]
      const rows = bench.under.rowsFor(first, last, 5, text)
      await bench.sink.write(batchOf(first, last, rows), signal())
      expected.push(...rows.flatMap((row) => bench.under.fingerprints(row)))
    }
    expect(await bench.readBack()).toEqual(expected.sort())
  })
}

function failingCases<Row>(that: Declare<Row>): void {
  that(
    'a write whose signal is aborted already rejects as retriable and stores nothing',
    async (bench) => {
      await bench.open()
      await bench.write(0, 4)
      const error = await rejection(bench.sink.write(bench.batch(5, 9), AbortSignal.abort()))
      expect(error).toBeInstanceOf(SinkError)
      expect(error).toMatchObject({ retriable: true })
      await bench.expectStored(0, 4)
      await bench.write(5, 9)
      await bench.expectStored(0, 9)
    },
  )

  that('a batch aborted on its way and sent again is stored once', async (bench) => {
    await bench.open()
    const batch = bench.batch(0, 99)
    const controller = new AbortController()
    const first = bench.sink.write(batch, controller.signal)
    controller.abort(new SinkError('no answer in time', { retriable: true }))
    await rejection(first)
    await bench.sink.write(batch, signal())
    await bench.expectStored(0, 99)
    expect(await bench.reopen()).toBe(99)
  })

  that('partitions keep their own offsets', async (bench) => {
    await bench.open()
    await bench.write(0, 9)
    expect(await bench.reopen(1)).toBe(-1)
    await bench.sink.write({ ...batchOf(0, 4, []), id: '1:0-4', partition: 1 }, signal())
    expect(await bench.reopen()).toBe(9)
    expect(await bench.reopen(1)).toBe(4)
  })

  that('a later batch never moves the offset over one that is missing', async (bench) => {
    await bench.open()
    if (bench.sink.limits.inFlightMax < 2) return
    await bench.write(10, 19)
    expect(await bench.reopen()).toBeLessThan(0)
    await bench.write(0, 9)
    await bench.write(10, 19)
    await bench.expectStored(0, 19)
    expect(await bench.reopen()).toBe(19)
  })
}

function crashCases<Row>(that: Declare<Row>, point: string): void {
  that(`after a crash ${point}, the range cut in another way is stored once`, async (bench) => {
    await bench.open()
    await bench.write(0, 9)
    await bench.crash(point, 10, 19)
    const acknowledged = await bench.reopen()
    expect([9, 19]).toContain(acknowledged)
    if (acknowledged < 14) await bench.write(acknowledged + 1, 14)
    await bench.write(Math.max(acknowledged, 14) + 1, 29)
    await bench.expectStored(0, 29)
    expect(await bench.reopen()).toBe(29)
  })

  that(`after a crash ${point}, a range that reaches beyond it is stored once`, async (bench) => {
    await bench.open()
    await bench.crash(point, 0, 19)
    const acknowledged = await bench.reopen()
    await bench.write(acknowledged + 1, 39)
    await bench.expectStored(0, 39)
    await bench.write(40, 49)
    expect(await bench.reopen()).toBe(49)
    await bench.expectStored(0, 49)
  })
}

async function mixed<Row>(bench: SinkBench<Row>, points: readonly string[], seed: number) {
  const random = seededRandom(seed)
  const below = (bound: number): number => Math.floor(random() * bound)
  let stored = await bench.open()
  for (let step = 0; step < 30; step++) {
    const last = stored + 1 + below(12)
    const point = points[below(points.length + 2)]
    if (point !== undefined) {
      await bench.crash(point, stored + 1, last)
      const acknowledged = await bench.reopen()
      expect([stored, last]).toContain(acknowledged)
      stored = acknowledged
      continue
    }
    await bench.write(stored + 1, last)
    if (below(3) === 0) await bench.write(stored + 1, last)
    stored = last
    if (below(4) === 0) expect(await bench.reopen()).toBe(stored)
  }
  await bench.expectStored(0, stored)
}
