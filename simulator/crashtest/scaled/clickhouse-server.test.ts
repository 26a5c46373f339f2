import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { ServerProcess } from '../../../actors/testing/server-process.ts'
import { askClickHouse, clickHousePlan, tellClickHouse } from './clickhouse-server.ts'
import { Ports } from './ports.ts'

let dir = ''
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'orrery-clickhouse-'))))
afterEach(() => rmSync(dir, { recursive: true }))

test('keeps what it answered for through a kill, on the same port, and asks for its password', async () => {
  const place = { port: await new Ports().take(), password: 'secret' }
  const server = new ServerProcess(clickHousePlan({ env: process.env, dir, ...place }))
  try {
    await server.start()
    await tellClickHouse(place, 'CREATE DATABASE kept', null)
    await tellClickHouse(place, 'CREATE TABLE kept.t (a Int64) ENGINE = MergeTree ORDER BY a', null)
    await tellClickHouse(place, 'INSERT INTO kept.t FORMAT JSONEachRow', '{"a":1}\n{"a":2}\n')
    await server.kill()
    await server.start()
    expect(await askClickHouse(place, 'SELECT sum(a), count() FROM kept.t')).toEqual([[3, 2]])
    const other = askClickHouse({ ...place, password: 'wrong' }, 'SELECT 1')
    await expect(other).rejects.toThrow('AUTHENTICATION_FAILED')
  } finally {
    await server.kill()
  }
})
