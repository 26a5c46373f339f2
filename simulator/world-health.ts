import type { Client } from './world-client.ts'
import type { Life } from './world-life.ts'
import type { Plan } from './world-plan.ts'

/** What keeps a run from its end, with all that helps to see why; null when nothing does. */
export function waitsFor(life: Life, clients: readonly Client[], plan: Plan): string | null {
  const { partition, journal } = life
  const waiting = clients.filter((client) => !client.done)
  if (waiting.length > 0) {
    const backlog = `backlog ${partition.backlog}, journal refuses ${journal.refusing}`
    return `${waiting.map(({ status }) => status).join(', ')}; ${backlog}; ${health(life, plan)}`
  }
  if (partition.handledThrough !== journal.nextOffset - 1) {
    return `actors have handled ${partition.handledThrough} of ${journal.nextOffset}; ${health(life, plan)}`
  }
  return null
}

function health({ directory, sinks }: Life, { limits }: Plan): string {
  const cells = [...directory.cells()]
  const leaving = cells.filter((cell) => cell.leaving).length
  const waiting = cells.filter((cell) => cell.waiting).length
  const states = Object.values(sinks).map(
    (sink) => `${sink.name} ${sink.full ? 'full, ' : ''}${sink.health().detail}`,
  )
  const awake = `${cells.length} of ${limits.awakeMax} awake`
  return `${awake}, ${waiting} waiting, ${leaving} leaving; ${states.join('; ')}`
}
