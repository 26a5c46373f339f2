import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import { findControlSocket } from './control-socket.ts'
import { IngestError, ingestOverControl, ingestOverHttp, type IngestPort } from './ingest-client.ts'
import { progressText, replaySummary } from './replay-report.ts'
import { type ReplayRow, RowReader } from './replay-rows.ts'
import { openReplaySource } from './replay-source.ts'
import { replay, type ReplayState } from './replay.ts'

const ping = (n: number): string => JSON.stringify({ session_id: `s${n}`, status: 'en_route' })
const options = { batchRows: 10, speed: null, rowsMax: null, clock: systemClock }

async function* inPieces(text: string, bytes = 37): AsyncGenerator<Uint8Array> {
  const all = Buffer.from(text)
  for (let at = 0; at < all.byteLength; at += bytes) yield all.subarray(at, at + bytes)
}

const rows = (text: string, bytes?: number): AsyncIterable<readonly ReplayRow[]> =>
  new RowReader({ kind: 'pings', csv: false, path: 'p.ndjson' }).inFileOrder(inPieces(text, bytes))

/** Takes lines that are JSON objects, and remembers which it has seen. */
function memoryPort(): Pick<IngestPort, 'ingest'> & { bodies: string[][] } {
  const seen = new Set<string>()
  const bodies: string[][] = []
  return {
    bodies,
    ingest(ndjson) {
      const lines = Buffer.from(ndjson).toString().split('\n').slice(0, -1)
      bodies.push(lines)
      const bad = lines.flatMap((line, index) => (line.startsWith('{') ? [] : [index]))
      const good = lines.filter((line) => line.startsWith('{'))
      const duplicates = good.filter((line) => seen.has(line)).length
      for (const line of good) seen.add(line)
      return Promise.resolve({
        accepted: good.length,
        refused: bad.map((index) => ({ index, code: 'invalid_json', message: 'no JSON' })),
        refusedCount: bad.length,
        duplicates,
        late: null,
      })
    },
  }
}

describe('a replay', () => {
  test('sends every line once, in order, in bodies of the size asked for', async () => {
    const port = memoryPort()
    const lines = Array.from({ length: 47 }, (_, n) => ping(n))
    const seen: ReplayState[] = []
    const state = await replay(rows(lines.join('\n')), port.ingest, {
      ...options,
      onProgress: (now) => void seen.push(now),
    })
    expect(port.bodies.flat()).toEqual(lines)
    expect(port.bodies.map((body) => body.length)).toEqual([10, 10, 10, 10, 7])
    expect(state).toMatchObject({ sent: 47, accepted: 47, duplicates: 0, refused: 0 })
    expect(seen.map((now) => now.sent)).toEqual([10, 20, 30, 40, 47])
    const again = await replay(rows(lines.join('\r\n')), port.ingest, options)
    expect(again).toMatchObject({ accepted: 47, duplicates: 47 })
  })

  test('names bad lines by their number in the file, and goes on', async () => {
    const text = `${ping(1)}\n\n   \nnonsense\n${ping(2)}\r\n[1]\n${'x'.repeat(1_100_000)}\n${ping(3)}\n`
    const state = await replay(rows(text, 65_536), memoryPort().ingest, {
      ...options,
      batchRows: 2,
    })
    expect(state).toMatchObject({ sent: 6, accepted: 3, refused: 3 })
    const byLine = state.badLines.toSorted((a, b) => a.line - b.line)
    expect(byLine).toEqual([
      { line: 4, reason: 'invalid_json: no JSON' },
      { line: 6, reason: 'invalid_json: no JSON' },
      { line: 7, reason: 'longer than 1048576 bytes; not sent' },
    ])
  })

  test('waits while the server is busy, then sends the same body again', async () => {
    const inner = memoryPort()
    let calls = 0
    const port: Pick<IngestPort, 'ingest'> = {
      ingest(body) {
        if (calls++ % 3 < 2)
          return Promise.reject(
            new IngestError('busy', 'busy', { retriable: true, retryAfterMs: 1 }),
          )
        return inner.ingest(body)
      },
    }
    const lines = Array.from({ length: 30 }, (_, n) => ping(n))
    const state = await replay(rows(lines.join('\n')), port.ingest, options)
    expect(state).toMatchObject({ accepted: 30, repeated: 6 })
    expect(inner.bodies.flat()).toEqual(lines)
  })

  test('finds the bad line in a body that is refused as one', async () => {
    const inner = memoryPort()
    const port: Pick<IngestPort, 'ingest'> = {
      ingest(body) {
        const poison = Buffer.from(body).includes('poison')
        if (poison) return Promise.reject(new IngestError('invalid', 'no', { divisible: true }))
        return inner.ingest(body)
      },
    }
    const lines = Array.from({ length: 20 }, (_, n) => (n === 13 ? 'poison' : ping(n)))
    const state = await replay(rows(lines.join('\n')), port.ingest, options)
    expect(state).toMatchObject({ sent: 20, accepted: 19, refused: 1 })
    expect(state.badLines).toEqual([{ line: 14, reason: 'no' }])
  })

  test('ends with the reason when a key is refused', async () => {
    const port: Pick<IngestPort, 'ingest'> = {
      ingest: () => Promise.reject(new IngestError('http_401', 'no key')),
    }
    await expect(replay(rows(ping(1)), port.ingest, options)).rejects.toThrow('no key')
  })
})

describe('a way in over real sockets', () => {
  let stop: (() => Promise<void>) | null = null
  let dir = ''
  afterEach(async () => {
    await stop?.()
    stop = null
    if (dir) await rm(dir, { recursive: true })
    dir = ''
  })

  const answering = async (request: Request): Promise<Response> => {
    const lines = (await request.text()).trimEnd().split('\n')
    const path = new URL(request.url).pathname + new URL(request.url).search
    if (path !== '/ingest?duplicates=count') return new Response(path, { status: 404 })
    const counts = { accepted: lines.length, refused: [], refusedCount: 0, duplicates: 1 }
    return Response.json(counts)
  }

  test('shows its key, and hears Retry-After', async () => {
    let busy = true
    const server = Bun.serve({
      port: 0,
      fetch(request) {
        if (request.headers.get('authorization') !== 'Bearer right')
          return Response.json({ error: { code: 'unauthorized', message: 'bad' } }, { status: 401 })
        if (!busy) return answering(request)
        busy = false
        return new Response('', { status: 503, headers: { 'retry-after': '0' } })
      },
    })
    stop = () => server.stop(true)
    const state = await replay(rows(ping(1)), ingestOverHttp(server.url, 'right').ingest, options)
    expect(state).toMatchObject({ accepted: 1, duplicates: 1, repeated: 1 })
    const refused = replay(rows(ping(1)), ingestOverHttp(server.url, 'wrong').ingest, options)
    await expect(refused).rejects.toThrow('HTTP 401: bad')
  })

  test('fails at once where nothing listens', async () => {
    const port = ingestOverHttp(new URL('http://127.0.0.1:1'), 'k')
    await expect(replay(rows(ping(1)), port.ingest, options)).rejects.toThrow('cannot be reached')
  })

  for (const length of [20, 150]) {
    test(`finds the control socket under a path of ${length} characters, and a dead one counts as none`, async () => {
      dir = await mkdtemp(join(tmpdir(), 'replay-'))
      const deep = join(dir, 'd'.repeat(length))
      await Bun.write(join(deep, 'x'), '')
      expect(await findControlSocket(deep)).toBeNull()
      // Bound under a short name, then moved: listening under the long one is the server's affair.
      const server = Bun.serve({ unix: join(dir, 's'), fetch: answering })
      await Bun.$`mv ${join(dir, 's')} ${join(deep, 'control.sock')}`.quiet()
      const control = await findControlSocket(deep)
      if (!control) throw new Error('not found')
      const state = await replay(rows(ping(1)), ingestOverControl(control).ingest, options)
      expect(state).toMatchObject({ accepted: 1, duplicates: 1 })
      await server.stop(true)
      expect(await findControlSocket(deep)).toBeNull()
    })
  }

  test('a file is told by its name, and a JSON list is replayed element by element', async () => {
    dir = await mkdtemp(join(tmpdir(), 'replay-'))
    await writeFile(join(dir, 'a.json'), `[${ping(1)}, ${ping(2)}]`)
    const port = memoryPort()
    const source = await openReplaySource(join(dir, 'a.json'))
    expect(await replay(source.pieces(0), port.ingest, options)).toMatchObject({ accepted: 2 })
    await expect(openReplaySource(join(dir, 'none.ndjson'))).rejects.toThrow('cannot be read')
    await expect(openReplaySource(join(dir, 'a.txt'))).rejects.toThrow('.ndjson')
  })
})

test('progress and summary say how far and how much', () => {
  const state = {
    ...{ bytesRead: 2_097_152, sent: 1_200, accepted: 1_190, duplicates: 4, late: 3, refused: 10 },
    ...{ repeated: 2, badLines: [{ line: 7, reason: 'invalid_json: no' }] },
  }
  expect(progressText(state, { bytes: 4_194_304, rows: null }, 2)).toContain(
    '50 %  1,200 sent (2.0 MiB), 10 refused, 600/s, 2 s left',
  )
  expect(progressText(state, { bytes: 1, rows: 4_800 }, 200)).toContain('25 %')
  expect(progressText(state, { bytes: 1, rows: 4_800 }, 200)).toContain('10 min left')
  expect(progressText(state, { bytes: null, rows: null }, 2)).not.toContain('%')
  const text = replaySummary(state, { kind: 'trips', tookS: 2, rowsBefore: 5, flushed: true })
  for (const part of [
    'line 7: invalid_json: no',
    'and 9 more',
    'by an earlier replay',
    '600 trips/s',
  ])
    expect(text).toContain(part)
  expect(text).toMatch(/late +3\n/)
  expect(text).toContain('Late trips came after')
  const punctual = { ...state, late: 0 }
  const about = { kind: 'trips', tookS: 2, rowsBefore: 0, flushed: false } as const
  expect(replaySummary(punctual, about)).not.toContain('Late trips')
  expect(text).toContain('flushed')
})
