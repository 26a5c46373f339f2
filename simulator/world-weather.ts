import type { VirtualClock } from '../actors/kernel/clock.ts'
import type { Client } from './world-client.ts'
import type { Chronicle } from './world-gate.ts'
import type { Machine } from './world-machine.ts'
import type { Plan } from './world-plan.ts'

/** What befalls machine and network by themselves: clocks that jump, full disks, reconnect storms. */
export function scheduleWeather(
  about: Readonly<{
    plan: Plan
    clock: VirtualClock
    chronicle: Chronicle
    machine: Machine
    clients: readonly Client[]
  }>,
): void {
  const { plan, clock, chronicle, machine, clients } = about
  for (const { atMs, byMs } of plan.clockJumps) {
    clock.after(atMs, () => {
      chronicle.note('clock jump', `${byMs} ms`)
      clock.jumpMs(byMs)
    })
  }
  for (const { atMs, forMs, bytes } of plan.diskFull) {
    clock.after(atMs, () => {
      chronicle.note('disk full')
      machine.fill(bytes)
      clock.after(forMs, () => machine.empty())
    })
  }
  for (const atMs of plan.storms) {
    clock.after(atMs, () => {
      chronicle.note('reconnect storm')
      for (const client of clients) client.cut()
    })
  }
}
