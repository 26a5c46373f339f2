import { join } from 'node:path'

import { asRecord, parseJson } from '../simulator/wire.ts'
import type { LoadOptions, LoadProgress, LoadResult } from './load.ts'
import type { ServerUnderTest } from './server.ts'

/** Ends everything that a measurement started, for Ctrl-C. */
export type Cleanup = (undo: () => void | Promise<void>) => void

/** What the bench hears of a load. */
export type LoadEvents = Readonly<{
  onProgress: (progress: LoadProgress) => void
  onCleanup: Cleanup
  /** Told the process that is the load. */
  onStarted?: (pid: number) => void
}>

/** Runs the load in a process of its own. */
export async function runLoad(
  options: LoadOptions & Partial<ServerUnderTest>,
  events: LoadEvents,
): Promise<LoadResult> {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, 'load.ts'), JSON.stringify(loadOptions(options))],
    { stdout: 'pipe', stderr: 'inherit' },
  )
  events.onCleanup(() => child.kill('SIGKILL'))
  events.onStarted?.(child.pid)
  let rest = ''
  let result: LoadResult | null = null
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const message = readMessage(line)
      if (message?.kind === 'progress') events.onProgress(message)
      else if (message) result = message
    }
  }
  if (!result) throw new Error(`the load ended with code ${await child.exited} and no result`)
  return result
}

function loadOptions(from: LoadOptions): LoadOptions {
  const { hostname, port, key, vehicles, framePings, sockets, framesInFlight } = from
  const { rate, warmUpS, seconds, rounds, run } = from
  return {
    ...{ hostname, port, key, vehicles, framePings, sockets, framesInFlight },
    ...{ rate, warmUpS, seconds, rounds, run },
  }
}

/** The load is our own process and speaks only these two words. */
function readMessage(line: string): LoadProgress | LoadResult | null {
  const message = asRecord(parseJson(line))
  return message?.kind === 'progress' || message?.kind === 'result'
    ? (message as LoadProgress | LoadResult)
    : null
}
