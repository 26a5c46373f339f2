import type { KafkaLog } from '../actors/kafka/log.ts'
import { kafkaOffsetOf } from '../actors/kafka/places.ts'
import { seededRandom, type VirtualClock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import { MemorySnapshotObjects } from '../actors/kernel/memory-snapshot-objects.ts'
import type { SnapshotObjects } from '../actors/kernel/snapshots.ts'
import { silentLog } from '../actors/kernel/telemetry.ts'
import type { PingsFact } from '../actors/model/fact.ts'
import type { Catalog } from '../sinks/iceberg/catalog.ts'
import { FolderCatalog } from '../sinks/iceberg/folder-catalog.ts'
import { MemoryStorage } from '../sinks/iceberg/memory-storage.ts'
import { PacedCatalog } from '../sinks/iceberg/paced-catalog.ts'
import { ICEBERG_LIMITS, IcebergSink } from '../sinks/iceberg/sink.ts'
import { type Storage, StorageError } from '../sinks/iceberg/storage.ts'
import type { Sink } from '../sinks/sink.ts'
import { SimBroker } from './scaled-world-broker.ts'
import { SimGroup } from './scaled-world-group.ts'
import type { Net, Node } from './scaled-world-node.ts'
import type { ScaledPlan } from './scaled-world-plan.ts'
import type { ScaledSeams } from './scaled-world-seams.ts'
import { SilverServer } from './scaled-world-silver.ts'
import { Scratch } from './scaled-world-states.ts'
import { BRONZE_LOCATION } from './world-life.ts'

/** Everything that outlives the processes: broker, group, and the stores. */
export class Servers {
  readonly plan: ScaledPlan
  readonly net: Net
  readonly clock: VirtualClock
  readonly broker: SimBroker
  readonly group: SimGroup
  readonly silver: SilverServer
  readonly bronze: MemoryStorage
  /** Snapshots of each partition. */
  readonly objects: readonly MemorySnapshotObjects[]
  readonly scratch = new Scratch()
  /** Of each partition the lowest offset that its newest owner has said to need. */
  readonly #needed = new Map<number, number>()
  /** Who reads a partition, or stands still on the way to it, and from where on. */
  readonly #holds = new Set<Readonly<{ node: Node; journal: KafkaLog; from: number }>>()

  constructor(plan: ScaledPlan, net: Net, clock: VirtualClock) {
    const { partitions, statementMsMax } = plan
    this.plan = plan
    this.net = net
    this.clock = clock
    this.broker = new SimBroker(net, partitions)
    const { topic } = this.broker
    this.group = new SimGroup({ clock, chronicle: net.chronicle, topic, partitions })
    this.silver = new SilverServer(net, statementMsMax)
    this.bronze = new MemoryStorage(clock)
    this.objects = Array.from({ length: partitions }, () => new MemorySnapshotObjects())
  }

  /** Any start from now on begins at this offset or behind it. */
  need(partition: number, offset: number): void {
    this.#needed.set(partition, Math.max(offset, this.#needed.get(partition) ?? 0))
  }

  /** A tenure has begun: a topic keeps its records for longer than any worker stands still. The result ends it. */
  hold(node: Node, journal: KafkaLog): () => void {
    const from = kafkaOffsetOf(this.#needed.get(journal.partition) ?? 0)
    const held = { node, journal, from }
    this.#holds.add(held)
    return () => void this.#holds.delete(held)
  }

  /** Lets go of what nobody needs any more. */
  trim(): void {
    for (const held of this.#holds) if (held.node.dead) this.#holds.delete(held)
    for (const [partition, offset] of this.#needed) {
      const readers = [...this.#holds].filter(({ journal }) => journal.partition === partition)
      const read = readers.map(({ journal, from }) => Math.max(journal.position, from))
      this.broker.at(partition).trim(Math.min(kafkaOffsetOf(offset), ...read))
    }
  }
}

/** The snapshots of a partition as one process has them. */
export function nodeObjects(servers: Servers, node: Node, partition: number): SnapshotObjects {
  const objects = servers.objects[partition]
  if (!objects) throw new TypeError(`there is no partition ${partition}`)
  const failure = (message: string): Error =>
    new OrreryError('objects_failed', message, { retriable: true })
  const through = <T>(name: string, effect: () => Promise<T>): Promise<T> =>
    servers.net.call(node, { port: 'objects', name, effect, failure })
  return {
    get: (name) => through('objects.get', () => objects.get(name)),
    swap: (name, bytes, expected) =>
      through('objects.swap', () => objects.swap(name, bytes, expected)),
    read: (name) => through('objects.read', () => objects.read(name)),
    put: (name, bytes) => through('objects.put', () => objects.put(name, bytes)),
    async *list() {
      const names = await through('objects.list', async () => [...objects.objects.keys()])
      yield* names
    },
    remove: (names) => through('objects.remove', () => objects.remove(names)),
  }
}

/** The sink of one process, which its partitions share. */
export function nodeBronze(
  servers: Servers,
  about: Readonly<{ node: Node; seams: ScaledSeams; number: number }>,
): IcebergSink {
  const { plan } = servers
  const { node, seams, number } = about
  const { clock } = node
  const { limits } = plan.base
  const storage = nodeStorage(servers, node)
  const location = BRONZE_LOCATION
  const folder = new FolderCatalog({ location, storage, clock, log: silentLog })
  const inner = plan.catalog === 'folder' ? folder : nodeCatalog(servers, node)
  const random = seededRandom(plan.seed * 41 + number)
  return new IcebergSink({
    ...{ storage, location, clock, random, log: silentLog },
    catalog: seams.catalog(new PacedCatalog(inner, { clock, random })),
    limits: { ...ICEBERG_LIMITS, rowsMax: limits.bronzeRowsMax, ageMsMax: limits.bronzeAgeMs },
    policy: {
      manifestsMax: 6,
      entriesPerManifest: 12,
      snapshotsMin: 2,
      snapshotAgeMsMin: 60_000,
      snapshotsMax: 40,
      graceMs: 60_000,
      orphanAgeMsMin: 120_000,
      orphanAgeMsMax: 86_400_000,
    },
  })
}

/** What a partition has of it: closing it closes nothing else. */
export function partitionBronze(sink: IcebergSink): Sink<PingsFact> {
  return {
    name: sink.name,
    limits: sink.limits,
    open: (partition, signal) => sink.open(partition, signal),
    write: (batch, signal) => sink.write(batch, signal),
    close: () => Promise.resolve(),
  }
}

/** A catalog that answers for itself: of a commit it does all or nothing, whenever the request comes. */
function nodeCatalog({ net, bronze, clock }: Servers, node: Node): Catalog {
  const location = BRONZE_LOCATION
  const own = new FolderCatalog({ location, storage: bronze, clock, log: silentLog })
  const through = <T>(name: string, effect: () => Promise<T>): Promise<T> =>
    net.call(node, { port: 'catalog', name, effect, failure })
  return {
    load: (known) => through('catalog.load', () => own.load(known)),
    create: (definition) => through('catalog.create', () => own.create(definition)),
    commit: (base, change) => through('catalog.commit', () => own.commit(base, change)),
  }
}

function nodeStorage({ net, bronze }: Servers, node: Node): Storage {
  const through = <T>(name: string, effect: () => Promise<T>): Promise<T> =>
    net.call(node, { port: 'bronze', name, effect, failure })
  return {
    read: (path) => through('bronze.read', () => bronze.read(path)),
    write: (path, bytes) => through('bronze.write', () => bronze.write(path, bytes)),
    create: (path, bytes) => through('bronze.create', () => bronze.create(path, bytes)),
    replace: (path, bytes) => through('bronze.replace', () => bronze.replace(path, bytes)),
    settle: () => bronze.settle(),
    async *list(prefix) {
      const found = await through('bronze.list', () => Array.fromAsync(bronze.list(prefix)))
      yield* found
    },
    remove: (paths) => through('bronze.remove', () => bronze.remove(paths)),
  }
}

function failure(message: string): Error {
  return new StorageError('failed', message, { retriable: true })
}
