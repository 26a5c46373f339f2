import type { TLSOptions } from 'bun'

import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import {
  type RegionTotals,
  type RegionWindow,
  WINDOW_NAMES,
  type WindowRange,
  type WindowSizeS,
} from '../../actors/model/window.ts'
import { SinkError, SinkFenced } from '../sink.ts'
import { parseTotals, parseWindow, totalsDocument, windowDocument } from './document.ts'
import { redisPrefix, sizeName } from './keys.ts'
import type { HeldWindow } from './ledger.ts'
import { WINDOW_TTL_MS } from './memory-store.ts'
import { isUnknownScript, RedisLink } from './redis-link.ts'
import { CLEAR, NEWEST, PUT, RANGE, type RedisScript, TAKE, TOTALS } from './redis-scripts.ts'
import type { WindowsChange, WindowStore } from './store.ts'

export type RedisWindowStoreOptions = Readonly<{
  url: string
  tls?: TLSOptions
  clock: Clock
  ttlMs?: number
  commandMsMax?: number
  /** More windows than these go in several scripts, of which the last moves the fence. */
  windowsPerScript?: number
}>

/** Values of several writes at once, each window with the time of its own. */
export type WindowsPut = Omit<WindowsChange, 'windows' | 'nowMs'> &
  Readonly<{ windows: readonly Pick<HeldWindow, 'window' | 'writtenMs'>[] }>

/** Where the fence of a partition stands when it is of another owner's data. */
export const FOREIGN = -2

/** An index outlives its last key a little, so that no key is ever without it. */
const INDEX_MORE_S = 60
const SIZE_NAMES = Object.keys(WINDOW_NAMES)
/** Owner, claim where there is one, offset. */
const FENCE = /^(.+?)(?::(\d+))?\/(\d+)$/

/** Whose claim of a partition writes; the one with the greatest epoch counts, and earlier ones are refused. */
export type PartitionClaim = Readonly<{ partition: number; epoch: number }>

/**
 * Windows in Redis under StreamPulse's keys. Absolute values behind a fence a partition: a batch is one
 * script, and one that is sent again changes nothing. Latest, top and timeline go by sorted sets.
 */
export class RedisWindowStore implements WindowStore {
  readonly #link: RedisLink
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #windowsPerScript: number
  #owner = 'orrery'
  readonly #epochs = new Map<number, number>()
  /** Fences as they were last seen: what is removed must not have become somebody else's. */
  readonly #seen = new Map<number, string>()

  constructor(options: RedisWindowStoreOptions) {
    const { clock, ttlMs = WINDOW_TTL_MS, windowsPerScript = 2_000, ...link } = options
    this.#link = new RedisLink({ clock, ...link })
    this.#clock = clock
    this.#ttlMs = ttlMs
    this.#windowsPerScript = windowsPerScript
  }

  /** From now on fences say whose data they stand for, and of which claim of a partition, where there are claims. */
  own(owner: string, claim?: PartitionClaim): void {
    this.#owner = owner
    if (claim) this.#epochs.set(claim.partition, claim.epoch)
  }

  /**
   * As the port has it; −2 when the windows there are of another owner. What an earlier claim of the
   * owner has left is taken over where it stands. Throws SinkFenced after a later claim.
   */
  async fence(partition: number, signal: AbortSignal): Promise<number> {
    const answer = await this.#send('GET', [fenceKey(partition)], signal)
    const text = answer === null ? '' : String(answer)
    this.#seen.set(partition, text)
    if (text === '') return -1
    const [, owner, claimed = '0', offset] = FENCE.exec(text) ?? []
    if (owner !== this.#owner) return FOREIGN
    const epoch = this.#epochs.get(partition) ?? 0
    if (Number(claimed) > epoch) {
      const message = `windows of partition ${partition} are of claim ${claimed}, this one is ${epoch}`
      throw new SinkFenced(message)
    }
    if (Number(claimed) < epoch) await this.#take(partition, Number(offset), signal)
    return Number(offset)
  }

  apply(change: WindowsChange, signal: AbortSignal): Promise<boolean> {
    const { windows, nowMs: writtenMs, ...rest } = change
    return this.put({ ...rest, windows: windows.map((window) => ({ window, writtenMs })) }, signal)
  }

  /** As `apply`, for what several writes have left. */
  async put(put: WindowsPut, signal: AbortSignal): Promise<boolean> {
    const { partition, fenceFrom, fenceTo, totals, watermarkMs } = put
    const nowMs = this.#clock.nowMs()
    const from = this.#fenceText(partition, fenceFrom)
    const indexS = String(Math.ceil(this.#ttlMs / 1_000) + INDEX_MORE_S)
    const windows = put.windows.filter(({ writtenMs }) => writtenMs + this.#ttlMs > nowMs)
    // Not with the first of several: readers would be told of what is not there yet.
    const lastArgs = [
      ...[watermarkMs === null ? '' : String(watermarkMs), String(totals.length)],
      ...totals.flatMap((one) => [String(one.regionId), totalsDocument(one)]),
    ]
    for (let first = 0; ; first += this.#windowsPerScript) {
      const some = windows.slice(first, first + this.#windowsPerScript)
      const last = first + this.#windowsPerScript >= windows.length
      const taken = await this.#run(PUT, signal, {
        keys: [fenceKey(partition)],
        args: [
          ...[from, last ? this.#fenceText(partition, fenceTo) : '', indexS, String(partition)],
          ...(last ? lastArgs : ['', '0']),
          String(some.length),
          ...some.flatMap(({ window, writtenMs }) => this.#windowArgs(window, writtenMs, nowMs)),
        ],
      })
      if (taken !== 1) return false
      if (last) return true
    }
  }

  /** Removes everything of a partition, whoever's it is, unless the fence has moved since it was last seen. */
  async clear(partition: number, signal: AbortSignal): Promise<void> {
    const args = [String(partition), this.#seen.get(partition) ?? '', ...SIZE_NAMES]
    const cleared = await this.#run(CLEAR, signal, { keys: [fenceKey(partition)], args })
    if (cleared !== 1) throw movedMeanwhile()
  }

  async latest(regionId: number, sizeS: WindowSizeS): Promise<RegionWindow | null> {
    const args = [sizeName(sizeS), String(regionId), '+inf', '-inf', '1']
    return windowsOf(await this.#read(RANGE, args))[0] ?? null
  }

  async latestOfAll(sizeS: WindowSizeS): Promise<readonly RegionWindow[]> {
    const found = windowsOf(await this.#read(NEWEST, [sizeName(sizeS), '+inf', '-inf']))
    return found.sort((a, b) => a.regionId - b.regionId)
  }

  async atStart(sizeS: WindowSizeS, startMs: number): Promise<readonly RegionWindow[]> {
    const start = String(startMs / 1_000)
    const found = windowsOf(await this.#read(NEWEST, [sizeName(sizeS), start, start]))
    return found.sort((a, b) => a.regionId - b.regionId)
  }

  async range({ regionId, sizeS, fromMs, toMs, limit }: WindowRange) {
    if (limit < 1) return []
    const bounds = [scoreOf(toMs), scoreOf(fromMs), String(limit)]
    const texts = await this.#read(RANGE, [sizeName(sizeS), String(regionId), ...bounds])
    return windowsOf(texts).reverse()
  }

  async totals(): Promise<readonly RegionTotals[]> {
    const totals = parsed(await this.#read(TOTALS, []), parseTotals)
    return totals.sort((a, b) => a.regionId - b.regionId)
  }

  async watermarkMs(): Promise<number | null> {
    const values = textsOf(await this.#send('HVALS', ['windows:watermarks']))
    return values.length === 0 ? null : Math.min(...values.map(Number))
  }

  async close(): Promise<void> {
    this.#link.close()
  }

  async #take(partition: number, offset: number, signal: AbortSignal): Promise<void> {
    const text = this.#fenceText(partition, offset)
    const args = [this.#seen.get(partition) ?? '', text]
    const taken = await this.#run(TAKE, signal, { keys: [fenceKey(partition)], args })
    if (taken !== 1) throw movedMeanwhile()
    this.#seen.set(partition, text)
  }

  #fenceText(partition: number, offset: number): string {
    if (offset < 0) return ''
    const epoch = this.#epochs.get(partition)
    return `${this.#owner}${epoch === undefined ? '' : `:${epoch}`}/${offset}`
  }

  #windowArgs(window: RegionWindow, writtenMs: number, nowMs: number): string[] {
    const { regionId, sizeS, startMs } = window
    // A clock that went back must not let it live longer.
    const leftMs = Math.min(this.#ttlMs, Math.ceil(writtenMs + this.#ttlMs - nowMs))
    return [
      ...[redisPrefix(regionId, sizeS), `windows:index:${sizeName(sizeS)}:${regionId}`],
      ...[String(startMs / 1_000), String(leftMs), windowDocument(window, writtenMs)],
    ]
  }

  #read(script: RedisScript, args: readonly string[]): Promise<unknown> {
    return this.#run(script, undefined, { keys: [], args })
  }

  async #run(
    { text, sha }: RedisScript,
    signal: AbortSignal | undefined,
    { keys, args }: Readonly<{ keys: readonly string[]; args: readonly string[] }>,
  ): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    try {
      return await this.#send('EVALSHA', [sha, ...rest], signal)
    } catch (thrown) {
      if (!isUnknownScript(thrown)) throw thrown
      return this.#send('EVAL', [text, ...rest], signal)
    }
  }

  async #send(command: string, args: readonly string[], signal?: AbortSignal): Promise<unknown> {
    if (signal?.aborted) {
      throw new SinkError('aborted', { retriable: true, cause: signal.reason })
    }
    return this.#link.send(command, args, signal)
  }
}

function movedMeanwhile(): SinkError {
  return new SinkError('another writer moved the fence', { retriable: true })
}

function fenceKey(partition: number): string {
  return `windows:fence:${partition}`
}

function scoreOf(ms: number): string {
  if (ms === Infinity) return '+inf'
  return ms === -Infinity ? '-inf' : String(ms / 1_000)
}

function windowsOf(answer: unknown): RegionWindow[] {
  return parsed(answer, parseWindow)
}

function parsed<T>(answer: unknown, parse: (text: string) => T): T[] {
  return textsOf(answer).map((text) => {
    try {
      return parse(text)
    } catch (cause) {
      const message = `redis holds what is no window: ${messageOf(cause)}`
      throw new SinkError(message, { retriable: false, cause })
    }
  })
}

function textsOf(answer: unknown): string[] {
  return Array.isArray(answer) ? answer.map(String) : []
}
