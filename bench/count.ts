import type { ServerUnderTest } from './server.ts'

/** What one store holds of a load. */
export type StoreCount = Readonly<{ rows: number; unique: number }>

/** Rows that one uniqueness query looks at: it holds them all in memory. */
const ROWS_AT_ONCE = 3_000_000

/** A table of pings, and what makes one of its rows the only one of its kind. */
type Store = Readonly<{ table: string; identity: string }>

export const SILVER: Store = {
  table: 'session_movements',
  identity: 'sipHash64(movement_id)',
}
export const BRONZE: Store = {
  table: 'bronze.raw_delivery_data',
  identity: 'sipHash64(session_id, toString(timestamp))',
}

/** How many rows a store has. */
export async function countRows(server: ServerUnderTest, store: Store): Promise<number> {
  const [row] = await server.sql(`SELECT count() AS n FROM ${store.table}`)
  return Number(row?.n ?? 0)
}

/** Counts a store's rows, and how many of them differ: the rest is there twice. */
export async function countStore(server: ServerUnderTest, store: Store): Promise<StoreCount> {
  const rows = await countRows(server, store)
  const parts = Math.max(1, Math.ceil(rows / ROWS_AT_ONCE))
  let unique = 0
  for (let part = 0; part < parts; part++) {
    const [row] = await server.sql(
      `SELECT uniqExact(${store.identity}) AS n FROM ${store.table} ` +
        `WHERE ${store.identity} % ${parts} = ${part}`,
    )
    unique += Number(row?.n ?? 0)
  }
  return { rows, unique }
}

const POLL_MS = 50

/** Waits until both stores have so many rows; how long that took, or null when it did not come to pass. */
export async function untilStored(
  server: ServerUnderTest,
  expected: number,
  waitMsMax: number,
): Promise<number | null> {
  const fromMs = performance.now()
  while (performance.now() - fromMs < waitMsMax) {
    const silver = await countRows(server, SILVER)
    if (silver >= expected && (await countRows(server, BRONZE)) >= expected)
      return performance.now() - fromMs
    await Bun.sleep(POLL_MS)
  }
  return null
}
