import { Database, type Statement } from 'bun:sqlite'

import { segmentsToMerge, type SegmentUse } from './shared-merge.ts'

const SCHEMA = `
  CREATE TABLE published (key TEXT PRIMARY KEY, segment INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX published_by_segment ON published (segment, key);
  CREATE TABLE changed (key TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;`
const PAGE = 500

/**
 * Which segment has the newest published state of each actor, and which actors were saved since: on disk, because
 * there may be millions. Lost with the process, like the states beside it.
 */
export class SegmentIndex {
  readonly #db: Database
  readonly #change: Statement
  readonly #found: Statement
  readonly #forget: Statement
  readonly #page: Statement<{ key: string }, [number, string, number]>
  /** Of each segment with any: how many actors have their newest published state there. */
  #live = new Map<number, number>()

  /** `path` names no file yet. */
  constructor(path: string) {
    this.#db = new Database(path, { create: true, readwrite: true })
    this.#db.run('PRAGMA journal_mode = MEMORY')
    this.#db.run('PRAGMA synchronous = OFF')
    this.#db.run('PRAGMA cache_size = -16000')
    this.#db.run(SCHEMA)
    this.#change = this.#db.prepare('INSERT OR IGNORE INTO changed (key) VALUES (?)')
    this.#found = this.#db.prepare('INSERT OR IGNORE INTO published (key, segment) VALUES (?, ?)')
    this.#forget = this.#db.prepare('DELETE FROM published WHERE key = ?')
    this.#page = this.#db.prepare(
      'SELECT key FROM published WHERE segment = ? AND key > ? ORDER BY key LIMIT ?',
    )
  }

  /** Notes what a segment has; segments come from the newest to the oldest. */
  restore(keys: readonly string[], segment: number): void {
    const found = this.#transact(() =>
      keys.reduce((count, key) => count + this.#found.run(key, segment).changes, 0),
    )
    this.#add(segment, found)
  }

  change(keys: readonly string[]): void {
    this.#transact(() => {
      for (const key of keys) this.#change.run(key)
    })
  }

  /**
   * Moves every changed actor into the new segment `number`, and every actor of the segments that are worth merging or
   * that never came to be; gives the numbers of those whose states are still wanted.
   */
  gather(number: number, segments: readonly Omit<SegmentUse, 'live'>[]): readonly number[] {
    const live = new Map(this.#live)
    const taken = this.#transact(() => {
      const from = this.#db.query<{ segment: number; moved: number }, []>(
        'SELECT segment, count(*) AS moved FROM changed JOIN published USING (key) GROUP BY segment',
      )
      for (const { segment, moved } of from.all())
        live.set(segment, (live.get(segment) ?? 0) - moved)
      this.#db.run(
        `INSERT INTO published SELECT key, ? FROM changed WHERE true
         ON CONFLICT (key) DO UPDATE SET segment = excluded.segment`,
        [number],
      )
      let total = this.#db.run('DELETE FROM changed').changes
      for (const { number: merged } of this.#toMerge(total, live, segments)) {
        this.#db.run('UPDATE published SET segment = ? WHERE segment = ?', [number, merged])
        total += live.get(merged) ?? 0
        live.delete(merged)
      }
      return total
    })
    live.set(number, taken)
    this.#live = new Map([...live].filter(([, states]) => states > 0))
    return segments.map((segment) => segment.number).filter((kept) => (live.get(kept) ?? 0) > 0)
  }

  /** Actors of a segment, by rising key. */
  page(segment: number, after: string): readonly string[] {
    return this.#page.all(segment, after, PAGE).map(({ key }) => key)
  }

  /** What was found of the actors of a segment that is being written. */
  settle(
    segment: number,
    found: Readonly<{ absent: readonly string[]; ahead: readonly string[] }>,
  ) {
    this.#transact(() => {
      for (const key of found.absent) this.#forget.run(key)
      for (const key of [...found.absent, ...found.ahead]) this.#change.run(key)
    })
    this.#add(segment, -found.absent.length)
  }

  close(): void {
    for (const statement of [this.#change, this.#found, this.#forget]) statement.finalize()
    this.#page.finalize()
    this.#db.close()
  }

  #toMerge(
    changed: number,
    live: ReadonlyMap<number, number>,
    segments: readonly Omit<SegmentUse, 'live'>[],
  ): readonly Pick<SegmentUse, 'number'>[] {
    const known = new Set(segments.map((segment) => segment.number))
    // A publish failed after it had gathered them.
    const lost = [...live.keys()].filter((segment) => !known.has(segment))
    const lostStates = lost.reduce((sum, segment) => sum + (live.get(segment) ?? 0), 0)
    const uses = segments.map((segment) => ({ ...segment, live: live.get(segment.number) ?? 0 }))
    const wanted = uses.filter((use) => use.live > 0)
    return [
      ...lost.map((segment) => ({ number: segment })),
      ...segmentsToMerge(changed + lostStates, wanted),
    ]
  }

  #add(segment: number, states: number): void {
    this.#live.set(segment, (this.#live.get(segment) ?? 0) + states)
  }

  #transact<T>(work: () => T): T {
    return this.#db.transaction(work).immediate()
  }
}
