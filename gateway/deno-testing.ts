import type { Connection } from './access.ts'
import { createRoleApp } from './role-app.ts'
import { TestIngest, testPorts, TestTripsIngest } from './testing.ts'

/** What this program asks of Deno. */
declare const Deno: Readonly<{
  args: readonly string[]
  serve(
    options: Readonly<{ port: number; hostname: string; onListen: (at: { port: number }) => void }>,
    answer: (request: Request) => Response | Promise<Response>,
  ): unknown
}>

/** The HTTP part of a gateway under Deno, for a test: it prints its port, and what its intake took as `/metrics`. */
function serve(): void {
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
}

serve()
