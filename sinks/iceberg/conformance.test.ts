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
import {
  FaultyStorage,
  fingerprint,
  fingerprintsOf,
  framesFor,
  rowsIn,
  sinkOver,
} from './testing.ts'
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

describeSink(
  'iceberg over memory',
  async () => {
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
    let sink = sinkOver(through, { clock, seed: seed++ })
    return {
      sink,
      reopen: async () => {
        faulty = new FaultyStorage(storage, -1, 'before')
        at = null
        return (sink = sinkOver(through, { clock, seed: seed++ }))
      },
      readBack: async () => (await rowsIn(storage, clock)).map(fingerprint),
      rowsFor: framesFor,
      fingerprints: fingerprintsOf,
      crashAt: (point) => {
        const fault = point.startsWith('after') ? 'after' : 'before'
        at = new FaultyStorage(
          storage,
          CRASHES[point] ?? 0,
          point.startsWith('in the middle') ? 'torn' : fault,
        )
      },
      cleanup: async () => sink.close(),
    }
  },
  { crashPoints: Object.keys(CRASHES).filter((point) => !point.endsWith('hint')) },
)

describeSink('iceberg in a worker over a local folder', async () => {
  const warehouse = folder()
  const make = () => new WorkerIcebergSink({ warehouse, clock: systemClock, log: silentLog })
  let sink = make()
  const storage = new LocalStorage(systemRandom)
  return {
    sink,
    reopen: async () => {
      await sink.kill()
      return (sink = make())
    },
    readBack: async () =>
      (await rowsIn(storage, systemClock, bronzeLocation(fileUri(warehouse)))).map(fingerprint),
    rowsFor: framesFor,
    fingerprints: fingerprintsOf,
    cleanup: () => sink.close(),
  }
})
