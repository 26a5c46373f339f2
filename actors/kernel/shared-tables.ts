import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'

import { assert } from './errors.ts'
import { packBlock, unpackBlocks } from './shared-blocks.ts'
import { SegmentIndex } from './shared-index.ts'
import type { SegmentUse } from './shared-merge.ts'
import { StateMoment } from './shared-moment.ts'
import { operationsIn, StateFrame } from './state-frame.ts'
import type { StoredState } from './state-store.ts'
import { StateTables } from './state-tables.ts'

/** One block: about a thousand sessions, 10 ms of the worker's time. */
const BLOCK_BYTES = 1024 * 1024

/** A block of states or marks; null when there are no more. */
export type Block = Readonly<{ bytes: Uint8Array<ArrayBuffer> | null; states: number }>

type Writing = {
  readonly moment: StateMoment
  readonly segment: number
  readonly through: number
  /** Key of the last actor that was looked up. */
  after: string
  /** Looked up, and not in a block yet. */
  readonly waiting: StoredState[]
}

/** Between the segments of a snapshot and the store's file: for the worker's thread. */
export class SharedTables {
  readonly #path: string
  readonly #index: SegmentIndex
  #restoring: StateTables | null
  #writing: Writing | null = null
  #memory = new ArrayBuffer(BLOCK_BYTES)

  /** Wipes what is at the path. */
  constructor(path: string) {
    this.#path = path
    mkdirSync(dirname(path), { recursive: true })
    const index = `${path}-segments`
    for (const file of [path, `${path}-wal`, `${path}-shm`, index, `${index}-journal`]) {
      rmSync(file, { force: true })
    }
    this.#index = new SegmentIndex(index)
    this.#restoring = StateTables.open(path, true)
  }

  /** Takes an object of a segment, or of marks (null), into the file; gives how many states it has. */
  restore(
    object: Readonly<{ name: string; bytes: Uint8Array; segment: number | null; through: number }>,
  ) {
    const tables = this.#restoring
    assert(tables, 'a segment came after the last')
    let states = 0
    for (const frame of unpackBlocks(object.name, object.bytes)) {
      // Of an actor's versions up to it the newest is kept, in whatever order they come.
      new DataView(frame).setFloat64(0, object.through, true)
      tables.apply(frame, frame.byteLength)
      if (object.segment === null) continue
      const keys: string[] = []
      for (const operation of operationsIn(frame, frame.byteLength)) {
        if (operation.kind === 'state') keys.push(operation.state.key)
      }
      this.#index.restore(keys, object.segment)
      states += keys.length
    }
    return states
  }

  /** Lets go of the file: the store opens it next. */
  restored(): void {
    this.#restoring?.close()
    this.#restoring = null
  }

  change(keys: readonly string[]): void {
    this.#index.change(keys)
  }

  /** Begins a segment of what was saved up to now; gives which segments stay. */
  begin(
    segment: number,
    through: number,
    segments: readonly Omit<SegmentUse, 'live'>[],
  ): readonly number[] {
    this.end()
    const moment = new StateMoment(this.#path)
    this.#writing = { moment, segment, through, after: '', waiting: [] }
    return this.#index.gather(segment, segments)
  }

  next(): Block {
    const writing = this.#writing
    assert(writing, 'a block was asked for before its segment')
    const frame = new StateFrame(this.#memory)
    for (;;) {
      if (writing.waiting.length === 0 && !this.#look(writing)) break
      const next = writing.waiting.at(-1)
      if (!next) continue
      if (!frame.add({ kind: 'state', state: next })) break
      writing.waiting.pop()
    }
    return this.#seal(frame)
  }

  /** Every mark, in one block. */
  marks(): Block {
    const writing = this.#writing
    assert(writing, 'marks were asked for before their segment')
    const marks = writing.moment.marks()
    const bytes = marks.reduce(
      (sum, { name, value }) => sum + 64 + name.length * 3 + value.length,
      64,
    )
    const frame = new StateFrame(new ArrayBuffer(bytes))
    for (const mark of marks) assert(frame.add({ kind: 'mark', ...mark }), 'a mark had no room')
    return { ...this.#seal(frame), states: 0 }
  }

  end(): void {
    this.#writing?.moment.close()
    this.#writing = null
  }

  close(): void {
    this.end()
    this.restored()
    this.#index.close()
  }

  /** Looks a page of actors up; false when there are no more. */
  #look(writing: Writing): boolean {
    const { moment, segment, through, waiting } = writing
    const keys = this.#index.page(segment, writing.after)
    const absent: string[] = []
    const ahead: string[] = []
    for (const key of keys) {
      const found = moment.load(key, through)
      if (!found) absent.push(key)
      else if (!found.isNewest) ahead.push(key)
      if (found) waiting.push(found.state)
    }
    waiting.reverse()
    if (absent.length + ahead.length > 0) this.#index.settle(segment, { absent, ahead })
    writing.after = keys.at(-1) ?? writing.after
    return keys.length > 0
  }

  #seal(frame: StateFrame): Block {
    const states = frame.operations
    if (states === 0) return { bytes: null, states }
    const { memory, bytes } = frame.seal(-1)
    return { bytes: packBlock(memory, bytes), states }
  }
}
