import type { Connection } from './access.ts'
import { createRoleApp } from './role-app.ts'
import { TestIngest, testPorts, TestTripsIngest } from './testing.ts'

/** What this program asks of Deno. */
declare const Deno: Readonly<{
  exit(code: number): never
  stdin: Readonly<{ readable: ReadableStream<Uint8Array> }>
  serve(
    options: Readonly<{ port: number; hostname: string; onListen: (at: { port: number }) => void }>,
    answer: (request: Request) => Response | Promise<Response>,
  ): unknown
}>

/** The HTTP part of a gateway under Deno, for a test: it prints its port, what its intake took as `/metrics`, and ends with its input. */
async function serve(): Promise<void> {
  const ingest = new TestIngest()
  const shared = {
    ...testPorts(),
    metrics: {
      text: () =>
        `${JSON.stringify(ingest.offers.map(({ source, messages }) => [source, messages.length]))}\n`,
    },
  }
  const ports = { roles: 'gateway', shared, ingest: { ingest, trips: new TestTripsIngest() } }
  const { app } = createRoleApp(ports, { viewers: 'anyone' }, null)
  const connection: Connection = { address: '127.0.0.1', timeout: () => {} }
  Deno.serve(
    { port: 0, hostname: '127.0.0.1', onListen: ({ port }) => console.log(port) },
    (request) => app.fetch(request, connection),
  )
  // The program that npm installs stands between us and the test: a signal would end that one only.
  await Deno.stdin.readable.pipeTo(new WritableStream())
  Deno.exit(0)
}

await serve()
