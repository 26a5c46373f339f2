import type { FactName, Retry } from './fact.ts'

/** Which dead letters are meant; what is absent does not matter. */
export type DeadLetterFilter = Readonly<{
  code?: string
  path?: string
  source?: string
  /** Received at this time or later. */
  sinceMs?: number
  /** Read again at least once, whatever came of it. */
  retried?: boolean
  /** What came of the last time. */
  outcome?: Retry['outcome']
}>

/** A dead letter as listed. */
export type DeadLetterRow = Readonly<{
  id: string
  code: string
  path: string
  expected: string
  received: string
  message: string
  /** As text when it is UTF-8, else base64. */
  raw: string
  rawEncoding: 'utf8' | 'base64'
  truncated: boolean
  receivedMs: number
  source: string
  /** How often it was read again. */
  retries: number
  /** What came of the last time, and when that was; null before the first. */
  outcome: Retry['outcome'] | null
  retriedMs: number | null
  /** Why it was refused again, else empty. */
  retryMessage: string
}>

/** A dead letter as it is read again. */
export type StoredDeadLetter = Readonly<{
  name: FactName
  raw: Uint8Array
  truncated: boolean
  source: string
  /** When it was accepted, in whole or in part, or null. */
  done: Readonly<{ outcome: Retry['outcome']; atMs: number }> | null
}>

/** What a retry of many finds: letters that can be read again, and those of which only a part was kept. */
export type OpenDeadLetters = Readonly<{ open: number; cut: number }>

/** A dead letter's id: the name of its fact. */
export function deadLetterId({ partition, offset, part }: FactName): string {
  return `${partition}-${offset}-${part}`
}

/** The name that an id stands for, or null when it is none. */
export function parseDeadLetterId(id: string): FactName | null {
  const match = /^(\d{1,9})-(\d{1,16})-(\d{1,9})$/.exec(id)
  const name = match && {
    ...{ partition: Number(match[1]), offset: Number(match[2]), part: Number(match[3]) },
  }
  return name && Number.isSafeInteger(name.offset) ? name : null
}
