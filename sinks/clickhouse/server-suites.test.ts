import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'

import type { ClickHouse } from './engine.ts'
import { elsewhere, throughHttp } from './server-stores.ts'
import { openTestClickHouse, useTestStore } from './testing.ts'

// The suites of everything that stands on the port, once more: through HTTP over the engine in this
// process, or against the server that CLICKHOUSE_HOST names.
const {
  CLICKHOUSE_HOST: host,
  CLICKHOUSE_PORT: port,
  CLICKHOUSE_USER: user = 'default',
  CLICKHOUSE_PASSWORD: password = '',
} = process.env

const SUITES = [
  ...['region-sink', 'schema', 'reader', 'gold', 'history', 'trip-history', 'windows'],
  ...['deliveries', 'kafka-offsets', 'claims'],
]
/** `server-faults.test.ts` has the sink's own suite. */
const SUITES_ELSEWHERE = ['sink']
/** Rights and limits of the engine in this process are in these. */
const SUITES_OF_ENGINE = ['chdb-engine', 'console']

const address = host
  ? /^https?:/.test(host)
    ? { url: host }
    : { host, port: Number(port ?? 8_123) }
  : null
if (!address) {
  console.warn(
    'SKIPPED: CLICKHOUSE_HOST names no server, so the suites run over the test server alone',
  )
}
let kept: ClickHouse
setDefaultTimeout(60_000)
beforeAll(async () => {
  useTestStore(address ? elsewhere({ ...address, user, password }) : throughHttp)
  kept = await openTestClickHouse()
})
afterAll(async () => {
  await kept.close()
  useTestStore(null)
})

describe(address ? `the server at ${host}` : 'a server of the test’s own', () => {
  test('is what the suites below run against', () => {
    expect(kept.shared).toBeDefined()
  })
})

// Loaded under another name than their own, or a run of all tests would not load them twice.
for (const suite of [...SUITES, ...(address ? SUITES_ELSEWHERE : SUITES_OF_ENGINE)]) {
  await import(`./${suite}.test.ts?through-http`)
}
