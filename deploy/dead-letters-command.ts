import { parseArgs } from 'node:util'

import { z } from 'zod'

import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { type ControlSocket, findControlSocket } from '../simulator/control-socket.ts'
import { readConfig } from './config.ts'
import { oneLine } from './flags.ts'

const HELP = `usage: bun run dead-letters [list] [choice] [--limit N] [--before ID]
       bun run dead-letters retry ID
       bun run dead-letters retry --all [choice]

  --code CODE      refused for this reason: invalid_ping, invalid_json, poison, …
  --path FIELD     refused for this field
  --source KEY     sent with the key of this name
  --since TIME     received since then, ISO 8601 or milliseconds since 1970
  --retried YESNO  list: yes, retried at least once; no, never
  --outcome NAME   list: accepted, partial or refused the last time
  --limit N        list: at most so many, 1 to 500; without it 100
  --before ID      list: those older than this one
  --json           as JSON, with the bytes as they came
  --data-dir PATH  DATA_DIR for this run
  --help           this text

A running server is asked through its data folder. A retry reads and checks the bytes as those of any message.
It ends with 1 when something was refused again.`

const EXIT_FAILED = 1
const EXIT_USAGE = 2
/** Pages in a row that end early because there is no room, before it gives up. */
const NO_ROOM_MAX = 30

const choiceNames = ['code', 'path', 'source', 'since'] as const
const listNames = ['retried', 'outcome', 'limit', 'before'] as const

const failure = z.object({ error: z.object({ message: z.string() }) })
const listed = z.object({
  deadLetters: z.array(
    z.object({
      id: z.string(),
      code: z.string(),
      path: z.string(),
      message: z.string(),
      receivedMs: z.number(),
      source: z.string(),
      outcome: z.string().nullable(),
    }),
  ),
  next: z.string().nullable(),
  total: z.number(),
  byCode: z.record(z.string(), z.number()),
})
const retriedOne = z.object({
  id: z.string(),
  outcome: z.string(),
  pings: z.number(),
  refused: z.number(),
  message: z.string(),
})
const retriedPage = z.object({
  retried: z.number(),
  accepted: z.number(),
  partial: z.number(),
  refused: z.number(),
  pings: z.number(),
  refusals: z.array(z.object({ id: z.string(), message: z.string() }).loose()),
  remaining: z.number(),
  cut: z.number(),
  next: z.string().nullable(),
  stopped: z.object({ message: z.string(), retryAfterMs: z.number() }).nullable(),
})

type Flags = Exclude<ReturnType<typeof readFlags>, { ok: false }>['flags']

/** `bun run dead-letters`: asks the running server; the exit code. */
export async function deadLettersMain(args: readonly string[]): Promise<number> {
  const read = readFlags(args)
  if (!read.ok) return complain(read.message, EXIT_USAGE)
  const { flags } = read
  if (flags.values.help) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  const dataDir = flags.values['data-dir']
  const outcome = readConfig(process.env, dataDir === undefined ? {} : { DATA_DIR: dataDir })
  if (!outcome.ok) return complain(outcome.message, EXIT_USAGE)
  try {
    const control = await findControlSocket(outcome.config.dataDir)
    if (control === null) {
      const message = `no server runs on ${outcome.config.dataDir}; start it with "bun run start"`
      return complain(message, EXIT_FAILED)
    }
    if (flags.command === 'list') return await list(control, flags)
    return await (flags.id === null ? retryAll(control, flags) : retryOne(control, flags, flags.id))
  } catch (cause) {
    return complain(messageOf(cause).replaceAll(/\s*\n\s*/g, ' '), EXIT_FAILED)
  }
}

function readFlags(args: readonly string[]) {
  return oneLine(() => {
    const text = { type: 'string' } as const
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...{ code: text, path: text, source: text, since: text },
        ...{ retried: text, outcome: text, limit: text, before: text },
        all: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        'data-dir': text,
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const [command = 'list', id = null, ...more] = positionals
    if (command !== 'list' && command !== 'retry') throw new Error(`Unknown command ${command}`)
    if (more.length > 0 || (command === 'list' && id !== null)) {
      throw new Error(`Too much after ${command}`)
    }
    const isList = command === 'list'
    if (isList && values.all) throw new Error('--all goes with retry')
    if (!isList && (id === null) !== values.all) throw new Error('Give retry an id, or --all')
    const unfit = isList ? [] : [...listNames, ...(id === null ? [] : choiceNames)]
    const wrong = unfit.find((name) => values[name] !== undefined)
    if (wrong) throw new Error(`--${wrong} does not go with this`)
    return { command, id, values } as const
  })
}

async function list(control: ControlSocket, { values }: Flags): Promise<number> {
  const query = new URLSearchParams()
  for (const name of [...choiceNames, ...listNames]) {
    const value = values[name]
    if (value !== undefined) query.set(name, value)
  }
  const answer = await ask(control, `/dead-letters?${query}`)
  if (values.json) return print(answer)
  const { deadLetters, next, total, byCode } = listed.parse(answer)
  for (const letter of deadLetters) {
    const { id, code, message, receivedMs, source, outcome } = letter
    const cells = [id, new Date(receivedMs).toISOString(), outcome ?? '-', code, source, message]
    process.stdout.write(`${cells.map(plain).join('\t')}\n`)
  }
  const codes = Object.entries(byCode).map(([code, count]) => `${code} ${count}`)
  const shown = `${deadLetters.length} of ${total}`
  const older = next === null ? '' : `; older: --before ${next}`
  process.stderr.write(`${shown}${codes.length > 0 ? ` (${codes.join(', ')})` : ''}${older}\n`)
  return 0
}

async function retryOne(control: ControlSocket, { values }: Flags, id: string): Promise<number> {
  const answer = await ask(control, `/dead-letters/${encodeURIComponent(id)}/retry`, {})
  const { outcome, pings, refused, message } = retriedOne.parse(answer)
  if (values.json) await print(answer)
  else {
    const counts = outcome === 'refused' ? '' : `, ${pings} accepted, ${refused} refused`
    process.stdout.write(
      `${id}: ${outcome}${counts}${message === '' ? '' : `: ${plain(message)}`}\n`,
    )
  }
  return outcome === 'refused' ? EXIT_FAILED : 0
}

/** Page after page to the end; each is said on stderr, the sums at last on stdout. */
async function retryAll(control: ControlSocket, { values }: Flags): Promise<number> {
  const choice = Object.fromEntries(
    choiceNames.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])),
  )
  const sums = { retried: 0, accepted: 0, partial: 0, refused: 0, pings: 0, cut: 0 }
  let after: string | null = null
  let withoutRoom = 0
  for (;;) {
    const body = { ...choice, ...(after !== null && { after }) }
    const page: z.infer<typeof retriedPage> = retriedPage.parse(
      await ask(control, '/dead-letters/retry', body),
    )
    for (const name of ['retried', 'accepted', 'partial', 'refused', 'pings'] as const) {
      sums[name] += page[name]
    }
    sums.cut = page.cut
    after = page.next ?? after
    for (const { id, message } of page.refusals) {
      process.stderr.write(`${id}: refused: ${plain(message)}\n`)
    }
    process.stderr.write(`${sums.retried} retried, ${page.remaining} left\n`)
    withoutRoom = page.stopped === null ? 0 : withoutRoom + 1
    if (withoutRoom > NO_ROOM_MAX) {
      throw new OrreryError('busy', `${page.stopped?.message ?? 'busy'}; run it again to go on`)
    }
    if (page.stopped) await Bun.sleep(page.stopped.retryAfterMs)
    else if (page.next === null) break
  }
  if (values.json) await print(sums)
  else {
    const { retried, accepted, partial, refused, pings, cut } = sums
    const parts = `${accepted} accepted, ${partial} in part, ${refused} refused again; ${pings} pings`
    const cutText = cut === 0 ? '' : `; ${cut} were cut and cannot be retried`
    process.stdout.write(`${retried} retried: ${parts}${cutText}\n`)
  }
  return sums.refused > 0 ? EXIT_FAILED : 0
}

/** The server's answer; its refusal is thrown in its words. */
async function ask(control: ControlSocket, path: string, body?: unknown): Promise<unknown> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await control.fetch(path, init)
  const answer: unknown = await response.json().catch(() => null)
  if (response.ok) return answer
  const parsed = failure.safeParse(answer)
  const message = parsed.success ? parsed.data.error.message : `HTTP ${response.status}`
  throw new OrreryError('refused', message)
}

async function print(answer: unknown): Promise<number> {
  await Bun.write(Bun.stdout, `${JSON.stringify(answer, null, 2)}\n`)
  return 0
}

/** What a sender wrote must not move the cursor of a terminal, nor break a line. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')
}

function complain(message: string, exitCode: number): number {
  process.stderr.write(`orrery: ${message}\n`)
  return exitCode
}
