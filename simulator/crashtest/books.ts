/** How often each fault came. */
export const FAULT_NAMES = [
  'kill -9',
  'kill -9 while starting',
  'kill -9 while stopping',
  'SIGTERM',
  'SIGSTOP',
  'full disk',
  'read-only disk',
  'power cut',
] as const
export type FaultName = (typeof FAULT_NAMES)[number]

/** Everything that a run notes while it goes on. */
export class Books {
  /** Ends by SIGKILL, those of a power cut included. */
  kills = 0
  readonly faults = new Map<FaultName, number>()
  /** Start of a process after a kill to its first acknowledged ping. */
  readonly acceptAgainMs: number[] = []
  /** Room, or the right to write, to the next acknowledged ping of the process that went through it. */
  readonly returnMs: number[] = []
  /** The same, to a server that says of all its parts that they are well. */
  readonly healthyMs: number[] = []
  /** Answers to probes while the disk was full or read-only, by status. */
  readonly answersInTrouble = new Map<number, number>()
  /** Starts on a disk that cannot be written, which the server refused. */
  startsRefused = 0
  /** Orderly stops with something left to replay. */
  uncleanStops = 0
  /** What a server must never do: end by itself, or not come back. One line each. */
  readonly failures: string[] = []

  note(fault: FaultName): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1)
  }

  noteAnswer(status: number): void {
    this.answersInTrouble.set(status, (this.answersInTrouble.get(status) ?? 0) + 1)
  }
}

/** A quantile of numbers, 0 when there are none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}
