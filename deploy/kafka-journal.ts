import type { SASLOptions } from 'kafkajs'
import { customAlphabet } from 'nanoid'

import { KafkaClient } from '../actors/kafka/client.ts'
import { KafkaIntake } from '../actors/kafka/intake.ts'
import { ensureTopics } from '../actors/kafka/topics.ts'
import { KafkaWriter } from '../actors/kafka/writer.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import { TRIPS_PARTITION_FIRST } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { Trip } from '../actors/model/trip.ts'
import { TRIPS } from '../actors/region/frames.ts'
import { PINGS } from '../actors/session/frames.ts'
import type { KafkaChoice, KafkaSasl } from './adapters.ts'
import type { Config } from './settings.ts'

/** Messages taken between two looks at everything else: a tenth of a second's work. */
const PER_TURN_MAX = 10_000
const RETRY_AFTER_MS = 1_000
const CLOSE_MS_MAX = 5_000

const senderName = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 12)

export type KafkaJournalOptions = Readonly<{
  config: Config
  choice: KafkaChoice
  log: Log
  telemetry: Telemetry
  overloaded: () => string | null
}>

/** Both topics as this process writes to them. */
export type KafkaJournal = Readonly<{
  client: KafkaClient
  sessions: KafkaIntake<Ping>
  trips: KafkaIntake<Trip>
  /** Why the brokers take nothing now, or null. */
  refusing(): 'busy' | 'failed' | 'closed' | null
  /** Refuses what comes, and waits for what was taken; true when the brokers have all of it. */
  close(): Promise<boolean>
}>

/** Connects, makes what topics are missing, and opens a writer for each. Throws what `patiently` tries again. */
export async function openKafkaJournal(options: KafkaJournalOptions): Promise<KafkaJournal> {
  const { choice, log, config } = options
  const { brokers, ssl, sasl, topics, partitions, replication } = choice
  const client = await KafkaClient.open({
    brokers,
    clientId: `orrery-${config.roles.replaceAll(',', '-')}`,
    log,
    ...(ssl ? { ssl: true } : {}),
    ...(sasl ? { sasl: saslOf(sasl) } : {}),
  })
  const wanted = [topics.sessions, topics.trips].map((topic) => ({
    topic,
    partitions,
    replication,
  }))
  const [pings] = await ensureTopics(client, wanted, { clock: systemClock, log })
  if ((pings?.partitions ?? 0) > TRIPS_PARTITION_FIRST) {
    const message = `topic ${topics.sessions} has ${pings?.partitions} partitions; up to ${TRIPS_PARTITION_FIRST} can be told from those of trips`
    throw new OrreryError('kafka_topic', message)
  }
  const sender = senderName()
  const sessions = await openTopic(options, { client, sender, topic: topics.sessions })
  const trips = await openTopic(options, { client, sender, topic: topics.trips }).catch(
    async (cause: unknown) => {
      await sessions.close(0)
      throw cause
    },
  )
  const around = { form: choice.form, clock: systemClock, log, telemetry: options.telemetry }
  const limits = { perTurnMax: PER_TURN_MAX, retryAfterMs: RETRY_AFTER_MS }
  const shared = { ...around, limits, overloaded: options.overloaded }
  const intakes = {
    sessions: new KafkaIntake<Ping>({
      ...shared,
      writer: sessions,
      frames: PINGS,
      keyOf: (ping) => ping.sessionId,
    }),
    trips: new KafkaIntake<Trip>({
      ...shared,
      telemetry: options.telemetry.labelled({ stream: 'trips' }),
      writer: trips,
      frames: TRIPS,
      keyOf: (trip) => String(trip.regionId),
    }),
  }
  return {
    client,
    ...intakes,
    refusing: () => sessions.refusing ?? trips.refusing,
    async close() {
      intakes.sessions.stop()
      intakes.trips.stop()
      const closed = await Promise.all([sessions, trips].map((one) => one.close(CLOSE_MS_MAX)))
      return closed.every((all) => all)
    },
  }
}

/** kafkajs tells the mechanisms apart by type. */
function saslOf({ mechanism, username, password }: KafkaSasl): SASLOptions {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password }
    case 'scram-sha-256':
      return { mechanism, username, password }
    case 'scram-sha-512':
      return { mechanism, username, password }
  }
}

function openTopic(
  { choice, log, telemetry }: KafkaJournalOptions,
  { client, sender, topic }: Readonly<{ client: KafkaClient; sender: string; topic: string }>,
): Promise<KafkaWriter> {
  return KafkaWriter.open({
    source: client.producers(topic, choice.compression),
    sender,
    ...{ clock: systemClock, random: Math.random, log, telemetry },
    partitioning: choice.partitioning,
  })
}
