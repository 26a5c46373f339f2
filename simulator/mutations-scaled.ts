import type { Producer, ProducerSource } from '../actors/kafka/producer.ts'
import type { SharedStateStore, SnapshotObjects } from '../actors/kernel/snapshots.ts'
import type { ClickHouse, SharedStore } from '../sinks/clickhouse/engine.ts'
import type { Catalog } from '../sinks/iceberg/catalog.ts'
import { around, forgetsOffsets } from './mutations.ts'
import type { ScaledSeams } from './scaled-world-seams.ts'

/** A fault planted between two parts of a worker or a gateway; the simulation must find it. */
export type ScaledMutation = Readonly<{
  name: string
  /** A seed that finds it; without one the first few do. */
  foundBy?: number
  /** Made anew for each life of a process. */
  plant: () => Partial<ScaledSeams>
}>

/** Every fault of several processes that the simulation is known to find. */
export const SCALED_MUTATIONS: readonly ScaledMutation[] = [
  {
    name: 'kafka: a sender is told before the broker',
    foundBy: 2,
    plant: () => ({ source: (source) => withSend(source, tellsEarly) }),
  },
  {
    name: 'kafka: the same producer is kept after a rejection',
    foundBy: 6,
    plant: () => ({ source: keepsProducer }),
  },
  {
    name: 'kafka: a producer that counts anew for each send',
    foundBy: 2,
    plant: () => ({ source: withoutStamps }),
  },
  {
    name: 'kafka: repeats are forgotten with each owner',
    foundBy: 22,
    plant: () => ({ note: () => '' }),
  },
  {
    name: 'kafka: repeats are forgotten before the stores are past them',
    foundBy: 39,
    plant: () => ({ trim: () => Number.MAX_SAFE_INTEGER }),
  },
  {
    name: 'kafka: how far the log goes is not asked again after a claim',
    foundBy: 27,
    plant: () => ({ refresh: () => () => Promise.resolve() }),
  },
  {
    name: 'silver: no look at the claims',
    foundBy: 2,
    plant: () => ({ engine: withoutGuard }),
  },
  {
    name: 'silver: no wait for statements of earlier claims',
    foundBy: 7,
    plant: () => ({ engine: withoutSettling }),
  },
  {
    name: 'bronze: offsets are not compared',
    foundBy: 2,
    plant: () => ({ catalog: forgetsOffsets }),
  },
  {
    name: 'bronze: a commit that lost is made upon whatever is there',
    foundBy: 4,
    plant: () => ({ catalog: commitsBlindly }),
  },
  {
    name: 'snapshots: the head is replaced whatever is there',
    foundBy: 2,
    plant: () => ({ objects: swapsBlindly }),
  },
  {
    name: 'snapshots: published newer than the stores are',
    foundBy: 18,
    plant: () => ({ bound: (_, { handled }) => handled }),
  },
  {
    name: 'snapshots: said to be there when they are not',
    foundBy: 2,
    plant: () => ({ states: (states) => around<SharedStateStore>(states, publishesNothing) }),
  },
  {
    name: 'a checkpoint does not wait for the stores',
    foundBy: 7,
    plant: () => ({ acknowledged: () => () => Promise.resolve() }),
  },
  {
    name: 'a start passes over what the checkpoint lacks',
    plant: () => ({
      plan: ({ checkpoint }) => ({
        checkpoint: checkpoint + 2_048,
        replayFrom: checkpoint + 2_049,
      }),
    }),
  },
]

const publishesNothing: Partial<SharedStateStore> = { publish: () => Promise.resolve() }

function withSend(
  source: ProducerSource,
  send: (producer: Producer) => Producer['send'],
): ProducerSource {
  return around(source, {
    open: async () => {
      const producer = await source.open()
      return around(producer, { send: send(producer) })
    },
  })
}

/** Says that all is well while it is still being sent, and does not look how that ends. */
function tellsEarly(producer: Producer): Producer['send'] {
  return (records) => {
    void producer.send(records).catch(() => {})
    const partitions = [...new Set(records.map(({ partition }) => partition))]
    return Promise.resolve(partitions.map((partition) => ({ partition, kafkaOffset: 0 })))
  }
}

/** What kafkajs does on its own: it goes on with numbers that were rolled back. */
function keepsProducer(source: ProducerSource): ProducerSource {
  let kept: Promise<Producer> | null = null
  return around(source, {
    async open() {
      kept ??= source.open()
      const producer = await kept.catch((thrown: unknown) => {
        kept = null
        throw thrown
      })
      return around(producer, { close: () => Promise.resolve() })
    },
  })
}

let stamps = 0

/** Each try has a sender's name of its own, so that nobody can know a repeat. */
function withoutStamps(source: ProducerSource): ProducerSource {
  return withSend(source, (producer) => (records) => {
    const sender = `try${stamps++}`
    return producer.send(
      records.map((record) => {
        const fields = record.stamp.split(';')
        fields[4] = sender
        return { ...record, stamp: fields.join(';') }
      }),
    )
  })
}

function withoutGuard(engine: ClickHouse): ClickHouse {
  return around<ClickHouse>(engine, {
    insert: ({ table, columns, token, writer }) =>
      engine.insert({
        table,
        columns,
        token,
        ...(table === 'sink_epochs' && writer && { writer }),
      }),
  })
}

function withoutSettling(engine: ClickHouse): ClickHouse {
  const { shared } = engine
  if (!shared) return engine
  return around<ClickHouse>(engine, {
    shared: around<SharedStore>(shared, { settle: () => Promise.resolve() }),
  })
}

function commitsBlindly(catalog: Catalog): Catalog {
  return around<Catalog>(catalog, {
    async commit(base, change) {
      const outcome = await catalog.commit(base, change)
      if (outcome.state === 'committed') return outcome
      const now = await catalog.load(null)
      return now ? catalog.commit(now, { ...change, requirements: [] }) : outcome
    },
  })
}

function swapsBlindly(objects: SnapshotObjects): SnapshotObjects {
  return around<SnapshotObjects>(objects, {
    async swap(name, bytes) {
      const now = await objects.get(name)
      return objects.swap(name, bytes, now?.version ?? null)
    },
  })
}
