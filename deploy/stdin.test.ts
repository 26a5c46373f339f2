import { expect, test } from 'bun:test'

import { ServerUnderTest, TEST_KEY } from './testing.ts'

test('what stands on standard input does not end in the tables', async () => {
  const server = new ServerUnderTest({}, 'pipe')
  try {
    const started = server.start()
    server.type('1\t2\t3\n'.repeat(50_000))
    await started
    for (let number = 0; number < 20; number++) {
      const response = await fetch(`${server.url}/ingest/trips?duplicates=count`, {
        method: 'POST',
        headers: { 'x-api-key': TEST_KEY },
        body: JSON.stringify({
          trip_id: `t${number}`,
          region_id: 1,
          event_time: '2026-06-01T12:00:00Z',
          fare: 10,
          duration: 600,
          distance: 3,
        }),
      })
      expect(response.status).toBe(200)
      server.type('7\t8\t9\n'.repeat(1_000))
    }
    expect(await server.sql('SELECT count() AS trips FROM trips')).toEqual([{ trips: 20 }])
    expect(await server.sql('SELECT "partition", "offset" FROM sink_progress FINAL')).toEqual([
      { partition: 1_000, offset: 19 },
    ])
    expect(await server.end()).toBe(0)
    const refused = (await server.log()).filter(({ level }) => level === 'error')
    expect(refused).toEqual([])
  } finally {
    await server.dispose()
  }
})
