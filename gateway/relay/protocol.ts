import { z } from 'zod'

import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'

/** What is spoken between an edge gateway and a core; another one is refused, in words. */
export const RELAY_VERSION = 1
export const RELAY_PATH = '/relay'

/** The two kinds of messages that are forwarded, each with offsets of its own. */
export type StreamName = 'pings' | 'trips'
export const STREAM_NAMES: readonly StreamName[] = ['pings', 'trips']

const offset = z.int().min(0)
const name = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/)

const offered = z.object({
  /** The oldest message that the edge still has. */
  first: offset,
  /** The offset that its next message will get. */
  next: offset,
  /** Everything before it was acknowledged by a core. */
  acknowledged: offset,
})

const hello = z.object({
  type: z.literal('hello'),
  version: z.int(),
  edge: name,
  /** Made with the data folder: another folder is another sender. */
  identity: name,
  /** Made with the process: two processes on copies of one folder are told apart. */
  run: name,
  streams: z.object({ pings: offered, trips: offered }),
})

const beat = z.object({ type: z.literal('beat') })

/** What an edge says in words; its messages travel in frames. */
export type EdgeWord = z.output<typeof hello> | z.output<typeof beat>
export type Hello = z.output<typeof hello>
export type Offered = z.output<typeof offered>

const edgeWord = z.discriminatedUnion('type', [hello, beat])

const streamName = z.enum(['pings', 'trips'])
const resumed = z.object({ resume: offset })

const refused = z.object({
  type: z.literal('refused'),
  reason: z.enum(['in_use', 'version', 'not_ready', 'too_many', 'ahead', 'bad_word', 'stopping']),
  message: z.string(),
  retry_after_ms: z.number().min(0),
})

const coreWord = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    version: z.int(),
    /** Where each stream goes on. */
    streams: z.object({ pings: resumed, trips: resumed }),
    /** Largest message that the core's socket takes: a larger frame comes in pieces. */
    message_bytes_max: z.int().min(1_024),
    /** Frames of one stream that may wait for their acknowledgement. */
    window: z.int().min(1),
  }),
  refused,
  /** Everything of the stream before `next` is in the core's journal. */
  z.object({ type: z.literal('ack'), stream: streamName, next: offset }),
  /** Nothing from `next` on was taken: it comes again after a while, as this turn. */
  z.object({
    type: z.literal('busy'),
    stream: streamName,
    next: offset,
    turn: z.int().min(0),
    message: z.string(),
    retry_after_ms: z.number().min(0),
  }),
  beat,
])

/** What a core answers. */
export type CoreWord = z.output<typeof coreWord>
export type Refused = z.output<typeof refused>

/** Reads what an edge said; throws OrreryError `bad_word`. */
export function parseEdgeWord(text: string): EdgeWord {
  return parsed(edgeWord, text)
}

/** Reads what a core said; throws OrreryError `bad_word`. */
export function parseCoreWord(text: string): CoreWord {
  return parsed(coreWord, text)
}

/** The version that a first message names, whatever else is in it; null when it names none. */
export function versionOf(text: string): number | null {
  try {
    const value: unknown = JSON.parse(text)
    const found = typeof value === 'object' && value && 'version' in value ? value.version : null
    return typeof found === 'number' ? found : null
  } catch {
    return null
  }
}

/** How journals know one edge's folder: its id, and what tells it from another folder with the same id. */
export function senderOf({ edge, identity }: Pick<Hello, 'edge' | 'identity'>): string {
  return `${edge}.${identity}`
}

function parsed<Value>(schema: z.ZodType<Value>, text: string): Value {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new OrreryError('bad_word', `no JSON: ${messageOf(cause)}`, { cause })
  }
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new OrreryError('bad_word', `${where}: ${issue?.message ?? 'not understood'}`)
}
