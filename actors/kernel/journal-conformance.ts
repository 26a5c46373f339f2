import { afterEach, beforeEach, describe, expect, test } from 'bun:test'

import type { AppendOutcome, EntryKind, Journal, JournalEntry, JournalRecord } from './journal.ts'

/** What the suite needs of a journal under test. */
export type JournalHarness = Readonly<{
  open(limits: { waitingBytesMax: number }): Promise<Journal>
  /** Opens what an earlier one left; null when nothing outlives the process. */
  reopen: (() => Promise<Journal>) | null
  dispose(): Promise<void>
}>

const WAITING_BYTES_MAX = 64 * 1024

/** An entry with defaults, for tests. */
export function entryOf(
  payload: string | Uint8Array,
  given: Partial<JournalEntry> = {},
): JournalEntry {
  return {
    kind: 'pings',
    count: 1,
    receivedMs: 1_790_000_000_123,
    source: 'van',
    payload,
    ...given,
  }
}

/** Appends and waits for the outcome. */
export function appended(journal: Journal, entry: JournalEntry): Promise<AppendOutcome> {
  return new Promise((resolve, reject) => {
    if (!journal.append(entry, resolve)) reject(new Error(`refused: ${journal.refusing}`))
  })
}

/** Everything from `offset` on. */
export async function recordsFrom(journal: Journal, offset: number): Promise<JournalRecord[]> {
  const records: JournalRecord[] = []
  for await (const record of journal.read(offset)) records.push(record)
  return records
}

/** The payload of a record as text. */
export function textOf(record: JournalRecord | undefined): string {
  return record ? new TextDecoder().decode(record.payload) : '(no record)'
}

/** What every journal must do. */
export function describeJournal(name: string, make: () => Promise<JournalHarness>): void {
  describe(name, () => {
    let harness: JournalHarness
    let journal: Journal
    beforeEach(async () => {
      harness = await make()
      journal = await harness.open({ waitingBytesMax: WAITING_BYTES_MAX })
    })
    afterEach(async () => {
      await journal.close()
      await harness.dispose()
    })

    appending(() => journal)
    reading(() => journal)
    bounding(() => journal)

    test('what was committed is there after a restart, and offsets go on', async () => {
      if (!harness.reopen) return
      await appended(journal, entryOf('one', { count: 3 }))
      await journal.close()
      journal = await harness.reopen()
      expect(journal.nextOffset).toBe(3)
      expect(await appended(journal, entryOf('two'))).toEqual({ ok: true, offset: 3 })
      expect((await recordsFrom(journal, 0)).map(textOf)).toEqual(['one', 'two'])
    })
  })
}

function appending(get: () => Journal): void {
  test('offsets are dense from 0, each entry taking as many as it counts', async () => {
    const outcomes = await Promise.all(
      [1, 50, 1, 7].map((count) => appended(get(), entryOf('x', { count }))),
    )
    expect(outcomes).toEqual([0, 1, 51, 52].map((offset) => ({ ok: true, offset })))
    expect(get().nextOffset).toBe(59)
  })

  test('senders are told in the order in which they appended, never during append', async () => {
    const journal = get()
    const told: number[] = []
    await new Promise<void>((resolve) => {
      for (let n = 0; n < 500; n++) {
        journal.append(entryOf(`${n}`), () => {
          told.push(n)
          if (n === 499) resolve()
        })
        expect(told).toEqual([])
      }
    })
    expect(told).toEqual(Array.from({ length: 500 }, (_, n) => n))
  })

  test('a sender that is told may append again', async () => {
    const journal = get()
    const offsets = await new Promise<number[]>((resolve) => {
      const seen: number[] = []
      const next = (outcome: AppendOutcome): void => {
        seen.push(outcome.ok ? outcome.offset : -1)
        if (seen.length === 20) resolve(seen)
        else journal.append(entryOf('again'), next)
      }
      journal.append(entryOf('first'), next)
    })
    expect(offsets).toEqual(Array.from({ length: 20 }, (_, n) => n))
  })

  test('bytes that the sender changes after append are kept as they were', async () => {
    const payload = new TextEncoder().encode('as it was')
    const committed = appended(get(), entryOf(payload))
    payload.fill(0)
    await committed
    expect(textOf((await recordsFrom(get(), 0))[0])).toBe('as it was')
  })
}

function reading(get: () => Journal): void {
  test('an entry is read back as it was appended', async () => {
    const kinds: EntryKind[] = [
      'pings',
      'dead_letter',
      'timer',
      'trips',
      'retry',
      'flush',
      'relayed',
    ]
    const sources = ['van', '', 'Ολύμπια 🚚', 'k'.repeat(255), 'van/retry', 'v', 'van@depot']
    const payloads = [
      '{"a":1}',
      '',
      'naïve 🚚 \ud800 end',
      new Uint8Array([0, 255, 10, 13, 0]),
      '{}\n{}',
    ]
    const entries = kinds.map((kind, n) =>
      entryOf(payloads[n] ?? '', {
        kind,
        source: sources[n] ?? '',
        count: n + 1,
        receivedMs: n + 0.5,
      }),
    )
    for (const entry of entries) await appended(get(), entry)
    const records = await recordsFrom(get(), 0)
    let offset = 0
    const expected = entries.map((entry) => {
      const bytes =
        typeof entry.payload === 'string' ? new TextEncoder().encode(entry.payload) : entry.payload
      offset += entry.count
      return { ...entry, offset: offset - entry.count, payload: [...bytes] }
    })
    expect(records.map((record) => ({ ...record, payload: [...record.payload] }))).toEqual(expected)
  })

  test('reading begins with the record that holds the offset', async () => {
    for (const text of ['a', 'b', 'c']) await appended(get(), entryOf(text, { count: 10 }))
    expect((await recordsFrom(get(), 9)).map(textOf)).toEqual(['a', 'b', 'c'])
    expect((await recordsFrom(get(), 10)).map(textOf)).toEqual(['b', 'c'])
    expect((await recordsFrom(get(), 29)).map(textOf)).toEqual(['c'])
    expect(await recordsFrom(get(), 30)).toEqual([])
  })

  test('reading ends with what was committed when it began, while appends go on', async () => {
    const journal = get()
    for (let n = 0; n < 100; n++) await appended(journal, entryOf(`${n}`))
    const seen: string[] = []
    for await (const records of journal.readBatches(0)) {
      seen.push(...records.map(textOf))
      await appended(journal, entryOf('later'))
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`))
  })

  test('an offset that was let go, or that does not exist yet, is an error and not an empty answer', async () => {
    const journal = get()
    await appended(journal, entryOf('only'))
    await expect(recordsFrom(journal, 2)).rejects.toThrow('beyond the journal')
    await expect(recordsFrom(journal, -1)).rejects.toThrow('was trimmed')
  })

  test('trimming keeps everything from the offset on', async () => {
    const journal = get()
    for (let n = 0; n < 30; n++) await appended(journal, entryOf(`${n}`, { count: 2 }))
    await journal.trim(31)
    expect(journal.firstOffset).toBeLessThanOrEqual(31)
    const texts = (await recordsFrom(journal, 31)).map(textOf)
    expect(texts).toEqual(Array.from({ length: 15 }, (_, n) => `${n + 15}`))
    expect((await recordsFrom(journal, journal.firstOffset))[0]?.offset).toBe(journal.firstOffset)
  })
}

function bounding(get: () => Journal): void {
  test('beyond the bound on waiting bytes it says busy, and takes entries again later', async () => {
    const journal = get()
    let accepted = 0
    const told: Promise<AppendOutcome>[] = []
    const payload = 'x'.repeat(1000)
    while (journal.refusing === null) {
      told.push(appended(journal, entryOf(payload)))
      accepted++
    }
    expect(journal.refusing).toBe('busy')
    expect(journal.append(entryOf('no'), () => expect.unreachable())).toBe(false)
    expect(journal.bytesWaiting).toBeGreaterThanOrEqual(WAITING_BYTES_MAX)
    expect(journal.bytesWaiting).toBeLessThan(WAITING_BYTES_MAX + 2_000)
    await Promise.all(told)
    expect(journal.refusing).toBeNull()
    expect(journal.bytesWaiting).toBe(0)
    expect(journal.nextOffset).toBe(accepted)
  })

  test('an entry that is larger than the bound is taken when nothing waits', async () => {
    const large = 'y'.repeat(WAITING_BYTES_MAX * 3)
    expect(await appended(get(), entryOf(large))).toEqual({ ok: true, offset: 0 })
    await appended(get(), entryOf('small'))
    expect((await recordsFrom(get(), 0)).map(textOf)).toEqual([large, 'small'])
  })

  test('closing commits what was offered and refuses the rest', async () => {
    const journal = get()
    const outcomes: AppendOutcome[] = []
    for (let n = 0; n < 10; n++)
      journal.append(entryOf(`${n}`), (outcome) => outcomes.push(outcome))
    const closing = journal.close()
    expect(journal.refusing).toBe('closed')
    expect(journal.append(entryOf('no'), () => expect.unreachable())).toBe(false)
    await closing
    expect(outcomes).toEqual(Array.from({ length: 10 }, (_, offset) => ({ ok: true, offset })))
    await journal.close()
  })
}
