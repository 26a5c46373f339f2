import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'

/** What the figures were measured on. */
export type Machine = Readonly<{
  cpu: string
  cores: number
  memoryGb: number
  kernel: string
  bun: string
}>

/** This machine. */
export function describeMachine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memoryGb: Math.round(totalmem() / 1e8) / 10,
    kernel: release(),
    bun: Bun.version,
  }
}

/** The commit that is measured; `+` when files differ from it. */
export function describeCommit(folder: string): string {
  const git = (...args: string[]): string => {
    const done = Bun.spawnSync(['git', '-C', folder, ...args], { stderr: 'ignore' })
    return done.success ? done.stdout.toString().trim() : ''
  }
  const commit = git('rev-parse', '--short', 'HEAD')
  if (commit === '') return 'unknown'
  return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+`
}

const TMPFS = 0x0102_1994
const SYNCS = 200
const SYNC_BYTES = 4_096

/** True when a folder is in memory: a sync costs nothing there and means nothing. */
export function isInMemory(folder: string): boolean {
  return statfsSync(folder).type === TMPFS
}

/** What the disk itself takes for 4 KB and a sync: the floor of every acknowledgement. */
export function fdatasyncMs(folder: string): Readonly<{ p50: number; p99: number }> {
  const file = join(folder, 'sync-probe')
  const descriptor = openSync(file, 'w')
  const block = Buffer.alloc(SYNC_BYTES, 7)
  const took: number[] = []
  for (let round = 0; round < SYNCS; round++) {
    const fromMs = performance.now()
    writeSync(descriptor, block)
    fdatasyncSync(descriptor)
    took.push(performance.now() - fromMs)
  }
  closeSync(descriptor)
  rmSync(file)
  return { p50: percentile(took, 0.5), p99: percentile(took, 0.99) }
}

/** The value below which a share of the values lies; null-safe: NaN when there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
