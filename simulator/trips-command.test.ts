import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { runTrips, TRIPS_HELP } from './trips-command.ts'

let dir = ''

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trips-'))
})

afterEach(() => rm(dir, { recursive: true }))

describe('bun run generate-trips', () => {
  test('writes a header and the rows that were asked for, the same each time', async () => {
    const written = async (name: string, ...args: string[]): Promise<string> => {
      const out = join(dir, name)
      expect(await runTrips(['--out', out, ...args], {})).toBe(0)
      return readFile(out, 'utf8')
    }
    const text = await written('a.csv', '--count', '30000', '--start', '2026-01-01T00:00:00Z')
    const lines = text.trimEnd().split('\n')
    expect(lines[0]).toBe('trip_id,region_id,event_time,fare,duration,distance')
    expect(lines.length).toBe(30_001)
    expect(lines[30_000]).toStartWith('trip_029999,')
    expect(lines[1]).toContain(',2026-01-01T0')
    expect(await written('b.csv', '--count=30000', '--start=2026-01-01T00:00:00Z')).toBe(text)
  })

  test('says what is wrong with an option', async () => {
    const wrong = (...args: string[]): Promise<number> => runTrips(args, {})
    await expect(wrong('--count', '0')).rejects.toThrow('--count is "0"')
    await expect(wrong('--regions', '101')).rejects.toThrow('from 1 to 100')
    await expect(wrong('--late', '2')).rejects.toThrow('--late is "2"')
    await expect(wrong('--start', 'soon')).rejects.toThrow('--start is "soon"')
    await expect(wrong('--rate', '0', '--url', 'http://h')).rejects.toThrow('--rate is "0"')
    await expect(wrong('--url', 'http://h')).rejects.toThrow('--url needs a key')
    await expect(wrong('--url', 'ws://h', '--key', 'k')).rejects.toThrow('must be http://')
    await expect(wrong('--rate', '1', '--data-dir', dir)).rejects.toThrow('no running server')
    await expect(wrong('--wat')).rejects.toThrow('--wat')
    for (const option of ['--count', '--disorder', '--rate', '--key'])
      expect(TRIPS_HELP).toContain(option)
  })

  test('live trips go to the endpoint of trips, with the key', async () => {
    const asked: string[] = []
    const server = Bun.serve({
      port: 0,
      async fetch(request) {
        const lines = (await request.text()).trimEnd().split('\n')
        const url = new URL(request.url)
        asked.push(`${url.pathname}${url.search} ${request.headers.get('authorization')}`)
        return Response.json({ accepted: lines.length, refused: [], refusedCount: 0, late: 0 })
      },
    })
    const args = ['--url', server.url.href, '--rate', '200', '--duration', '0.2']
    expect(await runTrips(args, { API_KEY: 'right' })).toBe(0)
    await server.stop(true)
    expect(new Set(asked)).toEqual(new Set(['/ingest/trips?duplicates=count Bearer right']))
  })
})
