import type { StateStore } from '../actors/kernel/state-store.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import type { Catalog } from '../sinks/iceberg/catalog.ts'
import { OFFSETS_KEY } from '../sinks/iceberg/offsets.ts'
import type { MetricsStore } from '../sinks/metrics/store.ts'
import type { Batch, Sink } from '../sinks/sink.ts'
import { answersAtOnce, tornTailTaken, unsynced } from './mutations-journal.ts'
import type { Seams } from './world-seams.ts'

/** A fault planted between two parts of the real code; the simulation must find it. */
export type Mutation = Readonly<{
  name: string
  /** A seed that finds it; without one the first few do. */
  foundBy?: number
  /** Made anew for each life of the process. */
  plant: () => Partial<Seams>
}>

/** Every fault that the simulation is known to find. */
export const MUTATIONS: readonly Mutation[] = [
  { name: 'a sender is told before the sync', plant: () => ({ disk: unsynced }) },
  {
    name: 'a torn tail is taken for good',
    foundBy: 160,
    plant: () => ({ beforeOpen: tornTailTaken }),
  },
  { name: 'a sender is told before the disk is asked', plant: () => ({ journal: answersAtOnce }) },
  {
    name: 'silver: no token and no look at what is there',
    plant: () => ({ engine: (engine) => withoutReadBack(withoutToken(engine)) }),
  },
  { name: 'silver: no look at what is there', plant: () => ({ engine: withoutReadBack }) },
  { name: 'silver: progress before the rows', plant: () => ({ silverSink: tellsEarly }) },
  { name: 'bronze: told before it is written', plant: () => ({ bronzeSink: tellsEarly }) },
  { name: 'metrics: told before they are written', plant: () => ({ metricsSink: tellsEarly }) },
  {
    name: 'bronze: offsets are not compared after a lost answer',
    plant: () => ({ catalog: forgetsOffsets }),
  },
  { name: 'metrics: no fence', plant: () => ({ metricsStore: withoutFence }) },
  { name: 'states newer than the sinks are kept', plant: () => ({ states: withoutRewind }) },
  {
    name: 'a checkpoint does not wait for the sinks',
    plant: () => ({ acknowledged: () => () => Promise.resolve() }),
  },
  { name: 'states are stored when they are not', plant: () => ({ states: savesNothing }) },
  {
    name: 'the watermark passes over who looks into the past',
    plant: () => ({
      targets({ received, derived }) {
        let through = -1
        const advance = (offset: number): void => {
          through = offset
          received.advance(offset)
        }
        return {
          received: around(received, { advance }),
          derived: around(derived, {
            advance: () => derived.advance(through),
            accept(fact) {
              // A sink that is told so late says so; here nobody listens.
              if (fact.offset > through || fact.kind === 'pings') derived.accept(fact)
            },
          }),
        }
      },
    }),
  },
  {
    name: 'repeats are forgotten when an actor is put away',
    plant: () => ({
      behavior: (behavior) => ({
        ...behavior,
        encode: (state) => behavior.encode({ ...state, fixes: [], fixCount: 0 }),
      }),
    }),
  },
  {
    name: 'the past is asked for without an end',
    plant: () => ({
      history: (history) => ({
        load: (requests) =>
          history.load(requests.map((one) => ({ ...one, beforeOffset: Number.MAX_SAFE_INTEGER }))),
      }),
    }),
  },
  {
    name: 'the past is not asked for',
    plant: () => ({
      history: () => ({
        load: (requests) =>
          Promise.resolve(requests.map(() => ({ fixes: [], fromUs: -Infinity, toUs: Infinity }))),
      }),
    }),
  },
  {
    name: 'a silence is told as often as its timer comes',
    plant: () => ({
      behavior: (behavior) => ({
        ...behavior,
        onTimer(state, message, turn) {
          const step = behavior.onTimer(state, message, turn)
          return { ...step, state: { ...step.state, silent: state.silent } }
        },
      }),
    }),
  },
  {
    name: 'an actor that was put away forgets its timer',
    plant: () => ({ states: (store) => around(store, { due: () => [] }) }),
  },
  {
    name: 'the journal lets go of what a store still needs',
    plant: () => ({
      journal: (journal) => around(journal, { trim: () => journal.trim(journal.nextOffset) }),
    }),
  },
  {
    name: 'a revision is never made',
    plant: () => ({
      behavior: (behavior) => ({
        ...behavior,
        receive(state, ping, turn) {
          const step = behavior.receive(state, ping, turn)
          const isFirst = (fact: (typeof step.facts)[number]): boolean =>
            fact.kind !== 'status' || fact.revision === 0
          return { ...step, facts: step.facts.filter(isFirst) }
        },
      }),
    }),
  },
  {
    name: 'a dead letter is dropped',
    plant: () => ({
      ingest: (ingest) => ({
        offer: (offer, done) => ingest.offer({ ...offer, deadLetters: [] }, done),
      }),
    }),
  },
]

/** The same port with some of its members replaced. */
export function around<T extends object>(port: T, members: Partial<T>): T {
  return new Proxy(port, {
    get(target, name) {
      const replaced: unknown = Reflect.get(members, name)
      if (replaced !== undefined) return replaced
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

let inserts = 0

function withoutToken(engine: ClickHouse): ClickHouse {
  return around(engine, {
    insert: (insert) => engine.insert({ ...insert, token: String(inserts++) }),
  })
}

function withoutReadBack(engine: ClickHouse): ClickHouse {
  return around(engine, {
    query: (sql) =>
      sql.startsWith('SELECT `offset`, `part`, ') ? Promise.resolve([]) : engine.query(sql),
  })
}

/** Says that a batch is stored while it is still being written, and does not look how that ends. */
function tellsEarly<Row>(sink: Sink<Row>): Sink<Row> {
  let last: Promise<void> = Promise.resolve()
  return around(sink, {
    write(batch: Batch<Row>, signal: AbortSignal): Promise<void> {
      last = last.then(() => sink.write(batch, signal)).catch(() => {})
      return Promise.resolve()
    },
  })
}

/** The table seems to hold what it held after the last commit that was answered. */
export function forgetsOffsets(catalog: Catalog): Catalog {
  let answered: string | undefined
  const old = (table: Awaited<ReturnType<Catalog['load']>>) => {
    if (!table) return table
    answered ??= table.metadata.properties[OFFSETS_KEY] ?? '{}'
    const snapshots = table.metadata.snapshots.map((snapshot) => ({
      ...snapshot,
      summary: { ...snapshot.summary, [OFFSETS_KEY]: '{}' },
    }))
    const properties = { ...table.metadata.properties, [OFFSETS_KEY]: answered }
    return { ...table, metadata: { ...table.metadata, snapshots, properties } }
  }
  return around(catalog, {
    load: async () => old(await catalog.load(null)),
    async commit(base, change) {
      const outcome = await catalog.commit(base, change)
      if (outcome.state === 'committed') {
        answered = outcome.table.metadata.properties[OFFSETS_KEY] ?? '{}'
      }
      return outcome
    },
  })
}

/** Takes any change, and never says that it has more than it said before. */
function withoutFence(store: MetricsStore): MetricsStore {
  let known: number | null = null
  return {
    async load(partition, signal) {
      const state = await store.load(partition, signal)
      known ??= state.offset
      return { offset: known, totals: state.totals, minutes: state.minutes }
    },
    async apply(change, signal) {
      const { offset } = await store.load(change.partition, signal)
      const taken = await store.apply({ ...change, fenceFrom: offset }, signal)
      known = change.fenceTo
      return taken
    },
  }
}

function withoutRewind(store: StateStore): StateStore {
  return around(store, { rewind: () => Promise.resolve() })
}

function savesNothing(store: StateStore): StateStore {
  return around(store, { save: () => Promise.resolve() })
}

/** Seeds in the order in which a test tries them for a mutation. */
export function* seedsFor(
  { foundBy }: Pick<Mutation, 'foundBy'>,
  seedsMax: number,
): Iterable<number> {
  if (foundBy !== undefined) yield foundBy
  for (let seed = 1; seed <= seedsMax; seed++) yield seed
}
