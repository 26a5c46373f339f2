import { describe, expect, test } from 'bun:test'

import {
  deadLetterId,
  type OpenDeadLetters,
  type StoredDeadLetter,
} from '../actors/model/dead-letter.ts'
import type { FactName } from '../actors/model/fact.ts'
import { createApp } from './app.ts'
import type { GatewayOptions } from './options.ts'
import type { Offer, OfferOutcome, Process } from './ports.ts'
import {
  emptyReader,
  LOCAL,
  LOCAL_HOST,
  REMOTE,
  TestIngest,
  testPorts,
  testProcess,
  wirePing,
} from './testing.ts'

const BUSY: OfferOutcome = { ok: false, code: 'busy', message: 'no room', retryAfterMs: 1_000 }

/** Letters as the tables have them: what an accepted offer says of one is known from then on. */
class Letters {
  readonly all: StoredDeadLetter[] = []
  asked: number[] = []

  add(raw: string | Uint8Array, given: Partial<StoredDeadLetter> = {}): FactName {
    const name = { partition: 0, offset: this.all.length, part: 0 }
    const bytes = typeof raw === 'string' ? new TextEncoder().encode(raw) : raw
    this.all.push({ name, raw: bytes, truncated: false, source: 'depot', done: null, ...given })
    return name
  }

  learn({ retry }: Offer): void {
    const index = retry?.letter.offset ?? -1
    const letter = this.all[index]
    if (!letter || !retry || retry.outcome === 'refused') return
    this.all[index] = { ...letter, done: { outcome: retry.outcome, atMs: 5 } }
  }

  open(after?: FactName): StoredDeadLetter[] {
    return this.all.filter(({ name, done }) => !done && name.offset > (after?.offset ?? -1))
  }

  readonly reader = {
    ...emptyReader,
    deadLetter: async ({ offset }: FactName) => this.all[offset] ?? null,
    openDeadLetters: async ({ limit, after }: { limit: number; after?: FactName }) => {
      this.asked.push(limit)
      return this.open(after)
        .filter(({ truncated }) => !truncated)
        .slice(0, limit)
    },
    countOpenDeadLetters: async ({ after }: { after?: FactName }): Promise<OpenDeadLetters> => {
      const cut = this.open(after).filter(({ truncated }) => truncated).length
      return { open: this.open(after).length - cut, cut }
    },
  }
}

function world(process: Partial<Process> = {}, options: Partial<GatewayOptions> = {}) {
  const letters = new Letters()
  const ingest = new TestIngest()
  const outcomes: OfferOutcome[] = []
  ingest.outcome = (offer) => {
    const outcome = outcomes.shift() ?? { ok: true, duplicates: null }
    if (outcome.ok) letters.learn(offer)
    return outcome
  }
  const ports = { ingest, reader: letters.reader, process: { ...testProcess(), ...process } }
  const { app, live } = createApp(testPorts(ports), options)
  live.close()
  const post = async (path: string, body?: unknown) => {
    const init = {
      method: 'POST',
      headers: LOCAL_HOST,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
    const answer = await app.request(`/api/dead-letters${path}`, init, LOCAL)
    return { status: answer.status, headers: answer.headers, body: await answer.json() }
  }
  const retry = (name: FactName) => post(`/${deadLetterId(name)}/retry`)
  return { letters, ingest, outcomes, app, post, retry }
}

const good = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wirePing(fields))

describe('a letter that is retried', () => {
  test('is read and checked as any message, and offered under a name that says so', async () => {
    const { letters, ingest, retry } = world()
    const { status, body } = await retry(letters.add(good()))
    expect([status, body]).toMatchObject([
      200,
      { id: '0-0-0', outcome: 'accepted', pings: 1, again: false },
    ])
    expect(ingest.offers).toMatchObject([
      {
        source: 'depot/retry',
        deadLetters: [],
        retry: { letter: { offset: 0 }, outcome: 'accepted', pings: 1, refused: 0 },
      },
    ])
    expect(ingest.itemCount).toBe(1)
  })

  test('is refused again with the reason, is marked so, and makes no letter beside it', async () => {
    const { letters, ingest, retry } = world()
    const name = letters.add(good({ current_lat: 999 }))
    for (const _ of [1, 2]) {
      const { status, body } = await retry(name)
      expect(status).toBe(200)
      expect(body).toMatchObject({ outcome: 'refused', pings: 0, path: 'current_lat' })
      expect(body.message).toContain('999')
    }
    expect(ingest.offers).toMatchObject([
      { messages: [], deadLetters: [], retry: { outcome: 'refused', code: 'invalid_ping' } },
      { messages: [], deadLetters: [] },
    ])
  })

  test('in part leaves letters of its own for the other parts', async () => {
    const { letters, ingest, retry } = world()
    const { body } = await retry(letters.add(`[${good()},${good({ status: 'lost' })}]`))
    expect(body).toMatchObject({ outcome: 'partial', pings: 1, refused: 1, path: 'status' })
    expect(ingest.deadLetterCodes).toEqual(['invalid_ping'])
    expect(ingest.offers[0]?.deadLetters[0]?.source).toBe('depot/retry')
  })

  test('with success before is left alone, and the answer says so', async () => {
    const { letters, ingest, retry } = world()
    const name = letters.add(good())
    await retry(name)
    const { status, body } = await retry(name)
    expect([status, body]).toMatchObject([200, { outcome: 'accepted', again: true, pings: 0 }])
    expect(body.message).toContain('retried already, at 1970-01-01T00:00:00.005Z')
    expect(ingest.offers).toHaveLength(1)
  })

  test('twice at once is accepted once', async () => {
    const { letters, ingest, retry } = world()
    const name = letters.add(good())
    const answers = await Promise.all([retry(name), retry(name), retry(name)])
    expect(answers.map(({ body }) => body.again)).toEqual([false, true, true])
    expect(ingest.offers).toHaveLength(1)
  })

  test('of which only a part was kept is not read: 409; one that is not there is 404', async () => {
    const { letters, ingest, retry, post } = world()
    const cut = await retry(letters.add(good(), { truncated: true }))
    expect([cut.status, cut.body.error.code]).toEqual([409, 'cut'])
    expect(cut.body.error.message).toContain('cannot be retried')
    expect((await retry({ partition: 0, offset: 7, part: 0 })).status).toBe(404)
    for (const path of ['/x/retry', '/0-0/retry', '/0-99999999999999999-0/retry', '/%27/retry']) {
      expect((await post(path)).status).toBe(404)
    }
    expect(ingest.offers).toEqual([])
  })

  test('when there is no room is 503 with a time, and stays as it was', async () => {
    const { letters, outcomes, retry } = world()
    const name = letters.add(good())
    outcomes.push(BUSY)
    const { status, headers } = await retry(name)
    expect([status, headers.get('retry-after')]).toEqual([503, '1'])
    expect((await retry(name)).body).toMatchObject({ outcome: 'accepted', again: false })
  })

  test('while the stores are behind is 503: what was retried before is not known', async () => {
    const { letters, ingest, retry } = world({ queryable: async () => false })
    expect((await retry(letters.add(good()))).status).toBe(503)
    expect(ingest.offers).toEqual([])
  })

  test('keeps its name, however often and however long it is', async () => {
    const { letters, ingest, retry } = world()
    const sources = ['depot/retry', 'ü'.repeat(127)]
    for (const source of sources) await retry(letters.add(good(), { source }))
    expect(ingest.offers.map(({ source }) => source)).toEqual(sources)
  })

  test('by a page of another site is refused', async () => {
    const { letters, ingest, app } = world()
    letters.add(good())
    for (const path of ['/0-0-0/retry', '/retry']) {
      for (const headers of [
        { ...LOCAL_HOST, origin: 'https://evil.example' },
        { ...LOCAL_HOST, 'sec-fetch-site': 'cross-site' },
      ]) {
        const init = { method: 'POST', headers }
        expect((await app.request(`/api/dead-letters${path}`, init, LOCAL)).status).toBe(403)
        expect((await app.request(`/api/dead-letters${path}`, init, REMOTE)).status).toBe(403)
      }
    }
    expect(ingest.offers).toEqual([])
  })
})

describe('many letters', () => {
  test('are retried oldest first to the end of the page, with sums and reasons', async () => {
    const { letters, ingest, post } = world()
    for (let n = 0; n < 120; n++) letters.add(n % 3 === 0 ? 'no json' : good({ order_id: `o${n}` }))
    letters.add(good(), { truncated: true })
    const first = await post('/retry', { limit: 90 })
    expect(first.body).toMatchObject({
      retried: 90,
      accepted: 60,
      refused: 30,
      pings: 60,
      remaining: 30,
      cut: 1,
      next: '0-89-0',
      stopped: null,
    })
    expect(first.body.refusals[0]).toMatchObject({ id: '0-0-0', code: 'invalid_json' })
    expect(letters.asked).toEqual([50, 40])
    const rest = await post('/retry', { after: first.body.next })
    expect(rest.body).toMatchObject({ retried: 30, accepted: 20, remaining: 0, next: null })
    expect(ingest.itemCount).toBe(80)
    const again = await post('/retry')
    expect(again.body).toMatchObject({ retried: 40, accepted: 0, refused: 40, next: null })
  })

  test('stop where there is no room, and go on from there', async () => {
    const { letters, ingest, outcomes, post } = world()
    for (let n = 0; n < 4; n++) letters.add(good({ order_id: `o${n}` }))
    outcomes.push({ ok: true, duplicates: null }, BUSY)
    const stopped = await post('/retry', {})
    expect(stopped.body).toMatchObject({ retried: 3, next: '0-0-0', stopped: { code: 'busy' } })
    const rest = await post('/retry', { after: stopped.body.next })
    expect(rest.body).toMatchObject({ retried: 1, accepted: 1, stopped: null, next: null })
    expect(ingest.offers.map(({ retry }) => retry?.letter.offset)).toEqual([0, 1, 2, 3, 1])
  })

  test('are chosen by a body that is understood, and by no other', async () => {
    const { post, app } = world()
    const right = { code: 'invalid_ping', source: 'depot', path: '', since: 5, limit: 1_000 }
    expect((await post('/retry', right)).status).toBe(200)
    const wrong = [
      { limit: 1_001 },
      { limit: 0 },
      { code: "'" },
      { after: 'x' },
      { all: true },
      [],
      1,
    ]
    for (const body of wrong) expect((await post('/retry', body)).status).toBe(400)
    const init = { method: 'POST', headers: LOCAL_HOST, body: '{' }
    expect((await app.request('/api/dead-letters/retry', init, LOCAL)).status).toBe(400)
  })
})

test('a list shows its letters, how many there are of each code, and where it goes on', async () => {
  const row = { id: '0-8-0', code: 'invalid_ping', retries: 0, outcome: null }
  const filters: unknown[] = []
  const reader = {
    ...emptyReader,
    deadLetters: async (options: { before?: FactName }) =>
      options.before?.offset === 99 ? null : [Object.assign({}, full, row)],
    deadLetterCounts: async (filter: object) => {
      filters.push(filter)
      return { invalid_ping: 7, poison: 2 }
    },
  }
  const { app, live } = createApp(testPorts({ reader }))
  live.close()
  const get = async (query: string) => {
    const init = { headers: LOCAL_HOST }
    return (await app.request(`/api/dead-letters${query}`, init, LOCAL)).json()
  }
  expect(await get('?limit=1&code=poison&source=depot')).toMatchObject({
    deadLetters: [row],
    next: '0-8-0',
    total: 2,
    byCode: { invalid_ping: 7, poison: 2 },
  })
  expect(await get('?limit=2')).toMatchObject({ next: null, total: 9 })
  expect(await get('?before=0-99-0')).toMatchObject({ error: { code: 'bad_query' } })
  expect(filters[0]).toEqual({ source: 'depot' })
})

const full = {
  path: '',
  expected: '',
  received: '',
  message: '',
  raw: '',
  rawEncoding: 'utf8',
  truncated: false,
  receivedMs: 0,
  source: '',
  retriedMs: null,
  retryMessage: '',
} as const
