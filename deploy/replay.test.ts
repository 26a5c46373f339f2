import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { runReplay } from './replay.ts'

let dir = ''
let file = ''

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'replay-'))
  file = join(dir, 'pings.ndjson')
  await writeFile(file, '{"a":1}\n{"a":2}\n')
})

afterEach(() => rm(dir, { recursive: true }))

test('when no server runs the pings go into the stores of DATA_DIR', async () => {
  const bodies: string[] = []
  const code = await runReplay([file, '--batch', '1'], { DATA_DIR: dir }, (config, run) => {
    expect(config.dataDir).toBe(dir)
    return run({
      ingest(ndjson) {
        bodies.push(Buffer.from(ndjson).toString())
        return Promise.resolve({ accepted: 1, refused: [], refusedCount: 0, duplicates: 0 })
      },
    })
  })
  expect(code).toBe(0)
  expect(bodies).toEqual(['{"a":1}\n', '{"a":2}\n'])
})

test('refused lines make the exit code 4', async () => {
  const refused = [{ index: 1, code: 'invalid_ping', message: 'no' }]
  const code = await runReplay([file], { DATA_DIR: dir }, (_, run) =>
    run({
      ingest: () => Promise.resolve({ accepted: 1, refused, refusedCount: 1, duplicates: 0 }),
    }),
  )
  expect(code).toBe(4)
})

test('wrong usage is refused before anything is opened', async () => {
  const nothing = (): Promise<void> => Promise.reject(new Error('opened'))
  const wrong = (...args: string[]): Promise<number> => runReplay(args, {}, nothing)
  await expect(wrong()).rejects.toThrow('a file is needed')
  await expect(wrong(file, file)).rejects.toThrow('one file at a time')
  await expect(wrong(file, '--batch', '0')).rejects.toThrow('--batch is "0"')
  await expect(wrong(file, '--url', 'ws://h')).rejects.toThrow('must be http://')
  await expect(wrong(file, '--url', 'http://127.0.0.1:1')).rejects.toThrow('needs a key')
  await expect(wrong(join(dir, 'trips.csv'))).rejects.toThrow('cannot be replayed yet')
})
