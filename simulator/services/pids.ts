import { existsSync, readFileSync } from 'node:fs'

import type { Clock } from '../../actors/kernel/clock.ts'

const LOOK_EVERY_MS = 50
const END_MS_MAX = 20_000

/** Whether this process lives and works in that folder: a number alone may have gone to another since. */
export function isOurs(pid: number, folder: string): boolean {
  return commandLine(pid).includes(`${folder}/`)
}

/** Ends a process of that folder in peace, and after 20 s by force; false when it had ended before. */
export async function endProcess(pid: number, folder: string, clock: Clock): Promise<boolean> {
  if (!isOurs(pid, folder)) return false
  signal(pid, 'SIGTERM')
  // A frozen process would hear of it only later.
  signal(pid, 'SIGCONT')
  const forceMs = clock.monotonicMs() + END_MS_MAX
  while (isOurs(pid, folder)) {
    if (clock.monotonicMs() > forceMs) signal(pid, 'SIGKILL')
    // It is no child of this process: nothing tells of its end.
    const { promise, resolve } = Promise.withResolvers<void>()
    clock.after(LOOK_EVERY_MS, resolve)
    await promise
  }
  return true
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Gone in the meantime.
  }
}

/** The arguments of a process, empty when there is none. */
function commandLine(pid: number): string {
  if (existsSync('/proc/self/cmdline')) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    } catch {
      return ''
    }
  }
  return Bun.spawnSync(['ps', '-ww', '-o', 'command=', '-p', String(pid)]).stdout.toString()
}
