import { silentLog } from '../../actors/kernel/telemetry.ts'
import { batchOf, signal } from '../conformance-bench.ts'
import { sampleFacts } from './fact-samples.ts'
import { openClickHouseServer } from './server-open.ts'
import { ClickHouseSink } from './sink.ts'

/**
 * A worker of its own for tests that kill one: goes on from the acknowledged offset, in batches of its own
 * length, until it is killed. `bun server-child.ts <port> <database> <messages a batch>`.
 */
const [port, database = '', messages] = process.argv.slice(2)
const engine = await openClickHouseServer({
  host: '127.0.0.1',
  port: Number(port),
  user: 'default',
  password: '',
  database,
  log: silentLog,
})
const sink = new ClickHouseSink(engine)
for (let first = (await sink.open(0, signal())) + 1; ; first += Number(messages)) {
  const last = first + Number(messages) - 1
  await sink.write(batchOf(first, last, sampleFacts(first, last, 1)), signal())
}
