import { expect, test } from 'bun:test'

import { parseDeadLetterId } from '../../actors/model/dead-letter.ts'
import type { Fact, FactName } from '../../actors/model/fact.ts'
import { batchOf, signal } from '../conformance-bench.ts'
import { findDeadLetter, listDeadLetters, listOpenDeadLetters } from './dead-letters.ts'
import type { ClickHouse } from './engine.ts'
import { fingerprints, readBack } from './fact-readback.ts'
import { sampleFacts, sampleMovement, sampleRetry } from './fact-samples.ts'
import { ClickHouseHistory } from './history.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

// Kafka's offset of over 32 bits × 1,024 and a place: far apart, and up to what a whole number can hold.
const kafka = (offset: number): number => (2 ** 33 + 5 * offset) * 1_024 + 3

const LAST = 59
const facts = sampleFacts(0, LAST, 1).map((fact): Fact => ({ ...fact, offset: kafka(fact.offset) }))

async function written(): Promise<ClickHouse> {
  const engine = await openTestClickHouse()
  const sink = new ClickHouseSink(engine)
  await sink.open(0, signal())
  // Cut between two offsets, where nothing is.
  const cut = kafka(20) + 700
  const upTo = facts.filter(({ offset }) => offset <= cut)
  await sink.write(batchOf(0, cut, upTo), signal())
  await sink.write(batchOf(cut + 1, kafka(LAST) + 1_000, facts.slice(upTo.length)), signal())
  return engine
}

test('facts of offsets with gaps are stored as they are, and opening goes on behind them', async () => {
  const engine = await written()
  expect([...(await readBack(engine))].sort()).toEqual(facts.flatMap(fingerprints).sort())
  expect(await new ClickHouseSink(engine).open(0, signal())).toBe(kafka(LAST) + 1_000)
  await engine.close()
})

test('dead letters are listed page by page, found by name, and done with when they were retried', async () => {
  const engine = await written()
  const names = facts.filter(({ kind }) => kind === 'dead_letter').map(({ offset }) => offset)
  expect(names.length).toBeGreaterThan(3)
  const seen: number[] = []
  let before: FactName | undefined
  for (;;) {
    const rows = await listDeadLetters(engine, { limit: 2, ...(before && { before }) })
    if (!rows || rows.length === 0) break
    for (const { id } of rows) {
      const name = parseDeadLetterId(id)
      if (!name) throw new Error(`${id} names none`)
      seen.push(name.offset)
      before = name
    }
  }
  expect(seen.sort((a, b) => a - b)).toEqual(names)
  const open = await listOpenDeadLetters(engine, { limit: 100 })
  const letter = open[0]?.name
  if (!letter) throw new Error('no open letter')
  const sink = new ClickHouseSink(engine)
  const next = (await sink.open(0, signal())) + 2_048
  const retry = sampleRetry({ offset: next, letter, receivedMs: Date.now() })
  await sink.write(batchOf(next - 100, next + 100, [retry]), signal())
  expect((await findDeadLetter(engine, letter))?.done?.outcome).toBe('accepted')
  await engine.close()
})

test('a page of history knows which messages came before', async () => {
  const engine = await openTestClickHouse()
  const sink = new ClickHouseSink(engine)
  await sink.open(0, signal())
  const eventTimeUs = 1_790_000_000_000_000
  const moves = [0, 1, 2].map((at) =>
    sampleMovement({
      ...{ sessionId: 's', offset: kafka(at), lat: at },
      ...{ eventTimeUs: eventTimeUs + at, receivedMs: eventTimeUs / 1_000 },
    }),
  )
  await sink.write(batchOf(0, kafka(2), moves), signal())
  const history = new ClickHouseHistory(engine)
  const about = { id: 's', partition: 0, eventTimeUs }
  const asked = [{ ...about, beforeOffset: kafka(2) }]
  const pages = await history.load(asked, { storedThrough: kafka(2) })
  expect(pages[0]?.fixes.map(({ lat }) => lat)).toEqual([0, 1])
  await engine.close()
})
