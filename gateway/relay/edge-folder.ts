import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { z } from 'zod'

import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import type { StreamName } from './protocol.ts'

const IDENTITY_FILE = 'identity.json'
const ACKNOWLEDGED_FILE = 'acknowledged.json'

const identityFile = z.object({ identity: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/) })
const acknowledgedFile = z.object({
  identity: z.string(),
  pings: z.int().min(0),
  trips: z.int().min(0),
})

type Places = Readonly<Record<StreamName, number>>

/**
 * Who an edge gateway's data folder is: an identity made with it, under which cores know its offsets, and how far a core
 * had them when that was last noted. What is noted may be old, never ahead.
 */
export class EdgeFolder {
  readonly identity: string
  readonly acknowledged: Places
  readonly #directory: string
  readonly #log: Log
  #noted: Places
  #noting: Promise<void> = Promise.resolve()

  private constructor(
    { directory, log }: Readonly<{ directory: string; log: Log }>,
    identity: string,
    acknowledged: Places,
  ) {
    this.#directory = directory
    this.#log = log
    this.identity = identity
    this.acknowledged = this.#noted = acknowledged
  }

  /**
   * Opens a folder whose journals go on at `next`. With journals that end before what a core has, offsets would be given
   * out again, and new messages be taken for repeats: then it is another folder, with an identity of its own. Throws
   * OrreryError `edge_folder` when the file cannot be read or written.
   */
  static open(
    options: Readonly<{ directory: string; next: Places; newId: () => string; log: Log }>,
  ): EdgeFolder {
    const { directory, next, newId, log } = options
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const known = readIdentity(join(directory, IDENTITY_FILE))
      const noted = known === null ? null : readAcknowledged(directory, known)
      const isAhead = noted !== null && (noted.pings > next.pings || noted.trips > next.trips)
      if (known !== null && !isAhead) {
        return new EdgeFolder(options, known, noted ?? { pings: 0, trips: 0 })
      }
      const identity = newId()
      if (isAhead)
        log.error({ known, identity }, 'the journal lost its end: a new identity is made')
      writeIdentity(join(directory, IDENTITY_FILE), identity)
      return new EdgeFolder(options, identity, { pings: 0, trips: 0 })
    } catch (cause) {
      const message = `${directory} cannot be used: ${messageOf(cause)}`
      throw new OrreryError('edge_folder', message, { cause })
    }
  }

  /** Notes how far the core has it; spares a restart from sending that again. */
  note(places: Places): Promise<void> {
    const { pings, trips } = this.#noted
    if (places.pings === pings && places.trips === trips) return this.#noting
    this.#noted = places
    const path = join(this.#directory, ACKNOWLEDGED_FILE)
    const text = `${JSON.stringify({ identity: this.identity, ...places })}\n`
    this.#noting = this.#noting
      .then(() => writeFile(`${path}.new`, text, { mode: 0o600 }))
      .then(() => rename(`${path}.new`, path))
      // Without it a restart sends some messages again, which the core leaves out.
      .catch((cause: unknown) => this.#log.warn({ error: messageOf(cause) }, 'progress not noted'))
    return this.#noting
  }
}

function readIdentity(path: string): string | null {
  try {
    return identityFile.parse(JSON.parse(readFileSync(path, 'utf8'))).identity
  } catch (cause) {
    if (typeof cause === 'object' && cause && 'code' in cause && cause.code === 'ENOENT')
      return null
    throw cause
  }
}

function readAcknowledged(directory: string, identity: string): Places | null {
  try {
    const text = readFileSync(join(directory, ACKNOWLEDGED_FILE), 'utf8')
    const { pings, trips, ...noted } = acknowledgedFile.parse(JSON.parse(text))
    return noted.identity === identity ? { pings, trips } : null
  } catch {
    // Not there, or torn: it only spares work.
    return null
  }
}

/** On disk before the first message is forwarded under it. */
function writeIdentity(path: string, identity: string): void {
  const file = openSync(`${path}.new`, 'w', 0o600)
  try {
    writeSync(file, `${JSON.stringify({ identity })}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
