import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { parseTrip } from '../actors/model/trip.ts'
import { batchesOf } from './batches.ts'
import type { IngestAnswer } from './ingest-client.ts'
import { openProgress } from './replay-progress.ts'
import type { ReplayRow } from './replay-rows.ts'
import { RowIndex } from './replay-sort.ts'
import { openReplaySource, type ReplaySource, type SourceOptions } from './replay-source.ts'
import { replay } from './replay.ts'

const HEADER = 'trip_id,region_id,event_time,fare,duration,distance'
const clock = new VirtualClock()
const options = { batchRows: 4, speed: null, rowsMax: null, clock }
let dir = ''

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trips-'))
})

afterEach(() => rm(dir, { recursive: true }))

async function open(name: string, text: string, asked?: SourceOptions): Promise<ReplaySource> {
  const path = join(dir, name)
  await writeFile(path, text)
  return openReplaySource(path, asked)
}

/** Judges trips as a server does. */
function tripServer(listedMax = 1_000) {
  const rows: unknown[] = []
  const send = (ndjson: Uint8Array): Promise<IngestAnswer> => {
    const lines = Buffer.from(ndjson).toString().trimEnd().split('\n')
    const trips = lines.map((line) => parseTrip(JSON.parse(line), 1_790_000_000_000))
    rows.push(...lines.map((line): unknown => JSON.parse(line)))
    const refused = trips.flatMap((trip, index) =>
      trip.ok ? [] : [{ index, code: 'invalid_trip', message: trip.refusals[0]?.path ?? '' }],
    )
    const counts = { accepted: lines.length - refused.length, refusedCount: refused.length }
    const listed = refused.slice(0, listedMax)
    return Promise.resolve({ ...counts, refused: listed, duplicates: 0, late: null })
  }
  return { rows, send }
}

const idsOf = (rows: readonly unknown[]): unknown[] =>
  rows.map((row) => (row as { trip_id?: unknown }).trip_id)

const at = (n: number, time: string): string => `t${n},1,${time},10,600,4`
const NDJSON = (n: number, time: string): string =>
  JSON.stringify({
    trip_id: `t${n}`,
    region_id: 1,
    event_time: time,
    fare: 1,
    duration: 60,
    distance: 1,
  })

describe('the order of trips', () => {
  const times = ['06:00:03Z', '06:00:01Z', 'soon', '06:00:01+00:00Z', '06:00:00.5Z']
  const rows = times.map((time, n) => at(n, time === 'soon' ? time : `2025-08-17T${time}`))

  test('is event time, ties as in the file, unreadable times last', async () => {
    const source = await open('a.csv', [HEADER, ...rows].join('\r\n'))
    expect(source).toMatchObject({ kind: 'trips', order: 'time', rows: 5 })
    const server = tripServer()
    const end = await replay(source.pieces(0), server.send, options)
    source.close()
    expect(idsOf(server.rows)).toEqual(['t4', 't1', 't3', 't0', 't2'])
    expect(end).toMatchObject({ sent: 5, accepted: 4, refused: 1 })
    expect(end.badLines).toMatchObject([{ line: 4 }])
    expect(end.badLines[0]?.reason).toStartWith('invalid_trip: event_time')
  })

  test('is that of the file when asked, from any row on', async () => {
    for (const order of ['file', 'time'] as const) {
      const source = await open('a.csv', [HEADER, ...rows].join('\n'), { kind: null, order })
      const all = tripServer()
      await replay(source.pieces(0), all.send, options)
      source.close()
      const later = await open('a.csv', [HEADER, ...rows].join('\n'), { kind: null, order })
      const rest = tripServer()
      await replay(later.pieces(2), rest.send, { ...options, rowsMax: 2 })
      later.close()
      expect(rest.rows).toEqual(all.rows.slice(2, 4))
    }
  })

  test('NDJSON and stdin are told by their first line', async () => {
    const lines = [NDJSON(1, '2025-08-17T06:00:01Z'), NDJSON(2, '2025-08-17T06:00:00Z')]
    async function* stdin(text: string): AsyncGenerator<Uint8Array> {
      for (const byte of Buffer.from(text)) yield Uint8Array.of(byte)
    }
    const asked = { kind: null, order: null }
    const sources = [
      await open('a.ndjson', `\n${lines.join('\n')}`),
      await open('a.json', `[${lines.join(',')}]`),
      await openReplaySource('-', { ...asked, stdin: () => stdin(lines.join('\n')) }),
      await openReplaySource('-', {
        ...asked,
        stdin: () =>
          stdin([HEADER, at(1, '2025-08-17T06:00:01Z'), at(2, '2025-08-17T06:00:00Z')].join('\n')),
      }),
    ]
    for (const source of sources) {
      expect(source.kind).toBe('trips')
      const server = tripServer()
      expect(await replay(source.pieces(0), server.send, options)).toMatchObject({ accepted: 2 })
      expect(idsOf(server.rows)).toEqual(['t2', 't1'])
      source.close()
    }
    const pings = await open('b.ndjson', '{"session_id":"s"}')
    expect(pings).toMatchObject({ kind: 'pings', order: 'file' })
    expect((await open('b.ndjson', '{}', { kind: 'trips', order: null })).kind).toBe('trips')
    await expect(open('a.csv', HEADER, { kind: 'pings', order: null })).rejects.toThrow(
      'CSV is for',
    )
    await expect(open('a.csv', 'a,b\n1,2')).rejects.toThrow('missing: trip_id')
    await expect(open('a.txt', '')).rejects.toThrow('.csv, .ndjson')
  })

  test('the index sorts as a stable sort does, whatever the times', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 20 }))), (keys) => {
        const index = new RowIndex()
        const bytes = new Uint8Array(1)
        for (const [n, key] of keys.entries()) index.add({ number: n, offset: n, bytes }, key)
        const rank = (row: number): number => keys[row] ?? Number.POSITIVE_INFINITY
        const expected = [...keys.keys()].sort((a, b) =>
          rank(a) === rank(b) ? a - b : rank(a) - rank(b),
        )
        expect([...index.sorted()]).toEqual(expected)
      }),
    )
  })
})

test('each kind of malformed row is named with its line and reason, and the rest goes on', async () => {
  const time = '2025-01-15T10:30:00.000Z'
  const bad: [string, string][] = [
    ['t,ABC,T,10,600,4', 'region_id'],
    ['t,3,INVALID_TIMESTAMP,10,600,4', 'event_time'],
    ['t,4,T,ten,600,4', 'fare'],
    ['t,5,T,10,long,4', 'duration'],
    ['t,5,T,10,600,far', 'distance'],
    ['t,,T,10,600,4', 'region_id'],
    ['t,9,,10,600,4', 'event_time'],
    ['t,10,T,,600,4', 'fare'],
    ['t,11,T,10,,4', 'duration'],
    ['t,12,T,10,600,', 'distance'],
    ['t,-1,T,10,600,4', 'region_id'],
    ['t,999,T,10,600,4', 'region_id'],
    ['t,1,T,-10,600,4', 'fare'],
    ['t,1,T,10,-500,4', 'duration'],
    ['t,1,T,10,600,-3.2', 'distance'],
    [',1,T,10,600,4', 'trip_id'],
    ['t,1,T,10,600', '5 fields where the header names 6'],
    ['t,1,"T,10,600,4', 'a quote is opened and not closed'],
  ]
  const good = 'MALFORMED_JSON_NO_COMMAS,6,T,10,600,4'
  const lines = [good, ...bad.map(([line]) => line), good].map((line) => line.replace('T', time))
  const source = await open('malformed.csv', [HEADER, ...lines].join('\n'))
  // It lists the first two of each answer, as a server lists the first hundred.
  const server = tripServer(2)
  const end = await replay(source.pieces(0), server.send, { ...options, batchRows: 7 })
  source.close()
  expect(end).toMatchObject({ sent: 20, accepted: 2, refused: 18 })
  const named = end.badLines.toSorted((a, b) => a.line - b.line)
  expect(named.map(({ line }) => line)).toEqual(bad.map((_, n) => n + 3))
  for (const [n, [, why]] of bad.entries()) expect(named[n]?.reason).toContain(why)
  const kept = server.rows.filter((row) => (row as { line?: number }).line !== undefined)
  expect(kept.length).toBe(18)
})

describe('pace', () => {
  const row = (line: number, timeS: number | null): ReplayRow => ({
    ...{ line, json: '{}', bytes: 3, why: null },
    timeUs: timeS === null ? null : 1_755_410_400_000_000 + timeS * 1_000_000,
  })
  async function* pieces(...rows: ReplayRow[]): AsyncGenerator<readonly ReplayRow[]> {
    yield rows
  }

  test('follows the recorded gaps, drifts nowhere, and lets no step back count', async () => {
    const time = new VirtualClock()
    const times = [0, 10, 10, 5, 40, null, 100]
    const rows = pieces(...times.map((timeS, n) => row(n, timeS)))
    const sentAt: [number, number[]][] = []
    const run = (async () => {
      const paced = { batchRows: 10, speed: 10, rowsMax: null, clock: time }
      for await (const batch of batchesOf(rows, paced)) {
        sentAt.push([time.monotonicMs(), batch.map(({ line }) => line)])
        // A slow server: what it takes is not added to the next pause.
        await new Promise<void>((resolve) => time.after(300, resolve))
      }
    })()
    await time.advanceMs(20_000)
    await run
    expect(sentAt.map(([ms]) => ms)).toEqual([0, 1_000, 4_000, 10_000])
    expect(sentAt.map(([, lines]) => lines)).toEqual([[0], [1, 2, 3], [4, 5], [6]])
  })

  test('a replay that fell behind catches up without pauses, and a gap of years is waited for', async () => {
    const time = new VirtualClock()
    const yearS = 31_536_000
    const rows = pieces(row(0, 0), row(1, 1), row(2, 2), row(3, yearS))
    const batches = batchesOf(rows, { batchRows: 10, speed: 1, rowsMax: null, clock: time })
    expect((await batches.next()).value).toMatchObject([{ line: 0 }])
    await time.advanceMs(5_000)
    expect((await batches.next()).value).toMatchObject([{ line: 1 }, { line: 2 }])
    let last: unknown = null
    const waiting = batches.next().then(({ value }) => (last = value))
    await time.advanceMs((yearS - 6) * 1_000)
    expect(last).toBeNull()
    await time.advanceMs(1_000)
    await waiting
    expect(last).toMatchObject([{ line: 3 }])
  })
})

test('progress is known again by what a file holds and where it was sent, and goes when all is done', async () => {
  const source = await open('a.csv', [HEADER, at(1, '2025-08-17T06:00:01Z')].join('\n'))
  const here = { target: 'http://a', fallbackDir: dir, clock: new VirtualClock() }
  const first = openProgress(source, here)
  first.reached(500)
  first.reached(700)
  expect(openProgress(source, here).rowsBefore).toBe(500)
  first.save()
  expect(openProgress(source, here).rowsBefore).toBe(700)
  expect(openProgress(source, { ...here, target: 'http://b' }).rowsBefore).toBe(0)
  const gone = { ...source, name: join(dir, 'no such folder', 'a.csv') }
  expect(openProgress(gone, here).rowsBefore).toBe(700)
  openProgress(source, here).done()
  expect(openProgress(source, here).rowsBefore).toBe(0)
  source.close()
})
