/// Runs in a Worker: parses, encodes and commits bronze batches off the event loop. Never loads chDB.
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Log, LogFields, LogLevel } from '../../actors/kernel/telemetry.ts'
import { SinkError, SinkFenced } from '../sink.ts'
import type { IcebergSink } from './sink.ts'
import type { BronzeTable } from './table-schema.ts'
import { icebergSink } from './warehouse.ts'
import { type Answer, type Call, parseMessage } from './worker-protocol.ts'

declare const self: Worker

let started: Promise<IcebergSink<BronzeTable>> | null = null
const running = new Map<number, AbortController>()

self.onmessage = (event: MessageEvent): void => {
  const call = parseMessage<Call>(event)
  if (call.call === 'start') {
    started = icebergSink(call.settings, forwardedLog())
    // Said by the first call.
    started.catch(() => {})
  } else if (call.call === 'abort') running.get(call.id)?.abort()
  else void run(call)
}

async function run(call: Exclude<Call, { call: 'start' | 'abort' }>): Promise<void> {
  const { id } = call
  const buffer = call.call === 'write' ? call.packed.buffer : null
  const controller = new AbortController()
  running.set(id, controller)
  try {
    const offset = await perform(call, controller.signal)
    say({ answer: 'done', id, offset, buffer })
  } catch (cause) {
    const retriable = cause instanceof SinkError && cause.retriable
    const fenced = cause instanceof SinkFenced
    say({ answer: 'failed', id, message: messageOf(cause), retriable, fenced, buffer })
  } finally {
    running.delete(id)
  }
}

async function perform(
  call: Exclude<Call, { call: 'start' | 'abort' }>,
  signal: AbortSignal,
): Promise<number> {
  if (!started) throw new SinkError('bronze: the worker was not started', { retriable: false })
  // One that could not start has nothing to close.
  const sink = await (call.call === 'close' ? started.catch(() => null) : started)
  if (!sink) return -1
  switch (call.call) {
    case 'open':
      return sink.open(call.partition, signal)
    case 'write':
      await sink.writePacked(call.packed, signal)
      return call.packed.offsetLast
    case 'close':
      await sink.close()
      return -1
  }
}

function say(answer: Answer): void {
  const buffer = answer.answer === 'log' ? null : answer.buffer
  self.postMessage(answer, buffer ? [buffer] : [])
}

function forwardedLog(): Log {
  const at =
    (level: LogLevel) =>
    (fields: LogFields, message: string): void =>
      say({ answer: 'log', level, fields, message })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
