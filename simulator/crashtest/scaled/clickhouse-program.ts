import { readFileSync } from 'node:fs'

import { Session } from 'chdb'

import { ClickHouseTestServer } from '../../../sinks/clickhouse/server-testing.ts'

/**
 * ClickHouse's HTTP interface over the engine as a process of its own, to be killed, frozen and started again over its
 * folder: `bun clickhouse-program.ts <folder> <port> <file with the password>`.
 */
const FORGET_MS = 1_000

const [directory = '', port, passwordFile = ''] = process.argv.slice(2)
const server = await ClickHouseTestServer.open({
  directory,
  port: Number(port),
  password: readFileSync(passwordFile, 'utf8'),
})
// Without a session the engine would end between two requests, and begin anew.
const kept = new Session(directory)
// Tests look at what it saw; nobody does here, and it would grow.
const timer = setInterval(() => void server.seen.splice(0), FORGET_MS)
process.once('SIGTERM', () => {
  clearInterval(timer)
  void server.close().then(() => {
    kept.close()
    process.exit(0)
  })
})
