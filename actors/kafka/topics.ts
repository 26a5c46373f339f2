import type { Clock } from '../kernel/clock.ts'
import { OrreryError } from '../kernel/errors.ts'
import type { Log } from '../kernel/telemetry.ts'
import { type KafkaClient, kafkaTypeOf } from './client.ts'

/** A topic that is to be there. */
export type TopicPlan = Readonly<{
  topic: string
  /** Of one that is made; one that is there keeps its own. */
  partitions: number
  replication: number
}>

/** A topic that is there. */
export type TopicState = Readonly<{ topic: string; partitions: number; created: boolean }>

const DAY_MS = 86_400_000
const RETENTION_MS = 7 * DAY_MS
/** What a writer sends to a partition at once may be as large. */
const MESSAGE_BYTES_MIN = 1_000_000
const TRIES_MAX = 10
const PAUSE_MS = 200

/** A broker that has just made a topic, or has just started, may not know it yet. */
const PASSING: readonly string[] = [
  ...['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_CONTROLLER'],
  'TOPIC_ALREADY_EXISTS',
]

type World = Readonly<{ log: Log; clock: Clock }>
type Settings = Readonly<Record<string, string>>

/**
 * Makes the topics that are not there, whoever else does so at the same time. Of one that is there and set in a way that loses
 * messages it says loudly what to do, and leaves it alone: others may use it too. Throws OrreryError `kafka` (retriable: the
 * brokers do not answer) or `kafka_topic` with what to do.
 */
export async function ensureTopics(
  client: KafkaClient,
  plans: readonly TopicPlan[],
  world: World,
): Promise<readonly TopicState[]> {
  const there = await patiently(world, () => client.asked((admin) => admin.listTopics()))
  const created = new Set<string>()
  for (const plan of plans) {
    if (there.includes(plan.topic)) continue
    if (await patiently(world, () => made(client, plan))) created.add(plan.topic)
  }
  const states: TopicState[] = []
  for (const { topic, partitions: wanted } of plans) {
    const [partitions, settings] = await patiently(world, () => described(client, topic))
    const isCreated = created.has(topic)
    if (isCreated) world.log.info({ topic, partitions }, 'topic made')
    else warn({ topic, partitions, wanted, settings }, world.log)
    states.push({ topic, partitions, created: isCreated })
  }
  return states
}

/** False when another made it meanwhile. */
async function made(client: KafkaClient, plan: TopicPlan): Promise<boolean> {
  const { topic, partitions, replication } = plan
  const settings: Settings = {
    'cleanup.policy': 'delete',
    'message.timestamp.type': 'LogAppendTime',
    'retention.ms': String(RETENTION_MS),
    // One replica of three may be away, and what was acknowledged is on two.
    'min.insync.replicas': replication >= 3 ? '2' : '1',
  }
  const asked = {
    topic,
    numPartitions: partitions,
    replicationFactor: replication,
    configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
  }
  try {
    return await client.asked((admin) =>
      admin.createTopics({ topics: [asked], waitForLeaders: true }),
    )
  } catch (cause) {
    if (kafkaTypeOf(cause) !== 'INVALID_REPLICATION_FACTOR') throw cause
    const message =
      `topic ${topic} cannot have ${replication} replicas: there are not as many brokers; ` +
      'set KAFKA_REPLICATION, or make the topic yourself'
    throw new OrreryError('kafka_topic', message, { cause })
  }
}

async function described(client: KafkaClient, topic: string): Promise<[number, Settings]> {
  return client.asked(async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const type = client.library.ConfigResourceTypes.TOPIC
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type, name: topic }],
    })
    const entries = resources[0]?.configEntries ?? []
    const settings = Object.fromEntries(
      entries.map(({ configName, configValue }) => [configName, configValue]),
    )
    return [topics[0]?.partitions.length ?? 0, settings]
  })
}

/** What an owner must change, and how; nothing is changed for them. */
function warn(
  {
    topic,
    partitions,
    wanted,
    settings,
  }: Readonly<{ topic: string; partitions: number; wanted: number; settings: Settings }>,
  log: Log,
): void {
  const set = (setting: string): string =>
    `kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config ${setting}`
  if (settings['cleanup.policy']?.includes('compact')) {
    const todo = set('cleanup.policy=delete')
    log.error({ topic, todo }, "compaction drops all but each session's newest message")
  }
  if (settings['message.timestamp.type'] !== 'LogAppendTime') {
    const todo = set('message.timestamp.type=LogAppendTime')
    log.warn({ topic, todo }, "a sender's wrong clock decides when its messages are let go of")
  }
  const retentionMs = Number(settings['retention.ms'] ?? -1)
  if (retentionMs >= 0 && retentionMs < DAY_MS) {
    const todo = set(`retention.ms=${RETENTION_MS}`)
    log.warn({ topic, todo, retentionMs }, 'retention is shorter than a store may be away')
  }
  if (Number(settings['max.message.bytes'] ?? MESSAGE_BYTES_MIN) < MESSAGE_BYTES_MIN) {
    const todo = set('max.message.bytes=1048588')
    log.warn({ topic, todo }, 'frames of messages may be larger than the topic takes')
  }
  if (partitions === wanted) return
  log.info({ topic, partitions, configured: wanted }, 'the topic keeps the partitions that it has')
}

async function patiently<Value>(
  world: World,
  ask: () => Promise<Value>,
  triesLeft = TRIES_MAX,
): Promise<Value> {
  try {
    return await ask()
  } catch (thrown) {
    if (triesLeft <= 1 || !PASSING.includes(kafkaTypeOf(thrown))) throw thrown
    await new Promise<void>((resolve) => void world.clock.after(PAUSE_MS, resolve))
    return patiently(world, ask, triesLeft - 1)
  }
}
