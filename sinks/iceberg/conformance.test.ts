import { afterEach } from 'bun:test'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { describeSink } from '../conformance.ts'
import { bronzeLocation } from './bronze-table.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { MemoryStorage } from './memory-storage.ts'
import { systemRandom } from './names.ts'
import type { BronzeTable, FrameOf } from './table-schema.ts'
import {
  FaultyStorage,
  fingerprint,
  fingerprintsOf,
  framesFor,
  rowsIn,
  sinkOver,
} from './testing.ts'
import { tripFingerprint, tripFingerprintsOf, tripFramesFor } from './trip-testing.ts'
import { WorkerIcebergSink } from './worker-sink.ts'

const folders: string[] = []

function folder(): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), 'orrery-iceberg-')))
  folders.push(made)
  return made
}

afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true })
})

const CRASHES: Readonly<Record<string, number>> = {
  'before the data file': 0,
  'in the middle of the data file': 0,
  'before the manifest': 1,
  'before the manifest list': 2,
  'before the new version': 3,
  'after the new version': 3,
  'before the version hint': 4,
}

/** What the suite needs to know of a table. */
type Kit<Kind extends BronzeTable> = Readonly<{
  table: Kind
  rowsFor: (first: number, last: number, seed?: number, text?: string) => FrameOf<Kind>[]
  fingerprint: (row: Readonly<Record<string, unknown>>) => string
  fingerprints: (frame: FrameOf<Kind>) => readonly string[]
}>

function overMemory<Kind extends BronzeTable>(kit: Kit<Kind>) {
  const { table, rowsFor, fingerprints } = kit
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  let faulty = new FaultyStorage(storage, -1, 'before')
  let seed = 1
  let at: FaultyStorage | null = null
  // Looks through to whatever storage the crash point chose.
  const current = (): FaultyStorage => at ?? faulty
  const through = new Proxy(storage, {
    get: (_target, name) => {
      const value: unknown = Reflect.get(current(), name)
      return typeof value === 'function' ? value.bind(current()) : value
    },
  })
  let sink = sinkOver(through, { table, clock, seed: seed++ })
  const location = bronzeLocation('memory://warehouse', table)
  return {
    sink,
    reopen: async () => {
      faulty = new FaultyStorage(storage, -1, 'before')
      at = null
      return (sink = sinkOver(through, { table, clock, seed: seed++ }))
    },
    readBack: async () => (await rowsIn(storage, clock, location)).map(kit.fingerprint),
    rowsFor,
    fingerprints,
    crashAt: (point: string) => {
      const fault = point.startsWith('after') ? 'after' : 'before'
      at = new FaultyStorage(
        storage,
        CRASHES[point] ?? 0,
        point.startsWith('in the middle') ? 'torn' : fault,
      )
    },
    cleanup: async () => sink.close(),
  }
}

function inWorker<Kind extends BronzeTable>(kit: Kit<Kind>) {
  const { table, rowsFor, fingerprints } = kit
  const warehouse = folder()
  const settings = { warehouse, table, clock: systemClock, log: silentLog }
  const make = () => new WorkerIcebergSink<Kind>(settings)
  let sink = make()
  const storage = new LocalStorage(systemRandom)
  const location = bronzeLocation(fileUri(warehouse), table)
  return {
    sink,
    reopen: async () => {
      await sink.kill()
      return (sink = make())
    },
    readBack: async () => (await rowsIn(storage, systemClock, location)).map(kit.fingerprint),
    rowsFor,
    fingerprints,
    cleanup: () => sink.close(),
  }
}

const pings: Kit<'pings'> = {
  table: 'pings',
  rowsFor: framesFor,
  fingerprint,
  fingerprints: fingerprintsOf,
}
const trips: Kit<'trips'> = {
  table: 'trips',
  rowsFor: tripFramesFor,
  fingerprint: tripFingerprint,
  fingerprints: tripFingerprintsOf,
}
const crashPoints = Object.keys(CRASHES).filter((point) => !point.endsWith('hint'))

describeSink('iceberg over memory', async () => overMemory(pings), { crashPoints })
describeSink('iceberg trips over memory', async () => overMemory(trips), { crashPoints })
describeSink('iceberg in a worker over a local folder', async () => inWorker(pings))
describeSink('iceberg trips in a worker over a local folder', async () => inWorker(trips))
