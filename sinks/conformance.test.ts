import { describeSink } from './conformance.ts'
import { MemorySink, MemoryStore, TEST_LIMITS } from './testing.ts'

type Row = Readonly<{ name: string; text: string }>

const rowsFor = (first: number, last: number, seed: number, text = 'plain'): Row[] =>
  Array.from({ length: last - first + 1 }, (_, at) => [
    { name: `${first + at}/0/${seed}`, text },
    { name: `${first + at}/1/${seed}`, text },
  ]).flat()

for (const inFlightMax of [1, 2]) {
  describeSink(
    `in memory, ${inFlightMax} in flight`,
    async () => {
      const store = new MemoryStore<Row>()
      const limits = { ...TEST_LIMITS, inFlightMax }
      const make = () => new MemorySink<Row>(store, (row) => row.name, limits)
      let sink = make()
      const fingerprint = (row: Row): string => JSON.stringify([row.name, row.text])
      return {
        sink,
        reopen: async () => (sink = make()),
        readBack: async () => store.rows.map(fingerprint),
        rowsFor,
        fingerprints: (row) => [fingerprint(row)],
        crashAt: (point) => {
          sink.faults.push(point === 'before anything' ? 'refused' : 'crash')
        },
        cleanup: async () => {},
      }
    },
    { crashPoints: ['before anything', 'between the rows and the offset'] },
  )
}
