import { Database } from 'bun:sqlite'
import { afterAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { SqliteStateStore } from './sqlite-state-store.ts'
import { describeStateStore, nameOf, stored } from './state-conformance.ts'
import { silentLog } from './telemetry.ts'

const root = await mkdtemp(join(tmpdir(), 'orrery-states-'))
afterAll(() => rm(root, { recursive: true }))

let files = 0
const newPath = (): string => join(root, `${files++}.db`)
const open = (path: string): Promise<SqliteStateStore> =>
  SqliteStateStore.open({ path, log: silentLog })

/** Not `expect().rejects`: it waits without letting a worker's message in. */
const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (thrown: unknown) => thrown,
  )

describeStateStore('sqlite state store', async () => {
  const path = newPath()
  return {
    open: () => open(path),
    reopen: async (store) => {
      await store.close()
      return open(path)
    },
    dispose: async () => {},
  }
})

test('a resolved save is there when the process is killed at once', async () => {
  const path = newPath()
  const script = `
    const { SqliteStateStore } = await import('${import.meta.dir}/sqlite-state-store.ts')
    const { silentLog } = await import('${import.meta.dir}/telemetry.ts')
    const store = await SqliteStateStore.open({ path: process.env.STATES, log: silentLog })
    const state = { key: 'a', offset: 1, version: 1, state: new Uint8Array(9), timerMs: null, live: true }
    await store.save([state])
    process.kill(process.pid, 'SIGKILL')
  `
  const env = { ...process.env, STATES: path }
  const child = Bun.spawn([process.execPath, '-e', script], { env })
  await child.exited
  expect(child.signalCode).toBe('SIGKILL')
  const store = await open(path)
  expect(nameOf(store.load('a'))).toBe('a@1')
  await store.close()
})

test('closing stores what was offered, and refuses what comes', async () => {
  const path = newPath()
  const store = await open(path)
  const saves = Array.from({ length: 50 }, (_, n) => store.save([stored(`k${n}`, n)]))
  const closing = store.close()
  expect(await rejectionOf(store.save([stored('late', 99)]))).toMatchObject({
    code: 'state_closed',
  })
  await Promise.all([...saves, closing, store.close()])
  const again = await open(path)
  expect(again.count).toBe(50)
  await again.close()
})

test('an iteration over live actors that stops early holds nothing up', async () => {
  const path = newPath()
  const store = await open(path)
  await store.save(Array.from({ length: 2_000 }, (_, n) => stored(`k${n}`, n, { live: true })))
  for (const state of store.live()) {
    expect(state.live).toBe(true)
    break
  }
  await store.save([stored('k0', 3_000)])
  await store.close()
  expect(await Bun.file(`${path}-wal`).exists()).toBe(false)
})

test('a version that no rewind can need is dropped from the file', async () => {
  const path = newPath()
  const store = await open(path)
  for (let offset = 0; offset < 20; offset++) {
    store.setFloor(offset - 1)
    await store.save([stored('a', offset)])
  }
  await store.close()
  const db = new Database(path, { readonly: true })
  expect(db.query('SELECT count(*) AS rows FROM states').get()).toEqual({ rows: 2 })
  db.close()
})

test('a file of a newer version, of another program, or that is no database stops the start', async () => {
  const newer = newPath()
  await (await open(newer)).close()
  const db = new Database(newer)
  db.run('PRAGMA user_version = 99')
  db.close()
  expect(await rejectionOf(open(newer))).toMatchObject({ code: 'state_newer' })

  const foreign = newPath()
  const other = new Database(foreign, { create: true })
  other.run('CREATE TABLE recipes (name TEXT)')
  other.close()
  expect(await rejectionOf(open(foreign))).toMatchObject({ code: 'state_foreign' })

  const text = newPath()
  await Bun.write(text, 'not a database at all, but long enough to look at '.repeat(100))
  expect(await rejectionOf(open(text))).toMatchObject({ code: 'state_corrupt' })
  expect(await rejectionOf(open(join(root, 'no', 'folder.db')))).toMatchObject({
    code: 'state_failed',
  })
})

test('a save that the disk refuses fails with a retriable error, and the state before stays', async () => {
  const path = newPath()
  const store = await open(path)
  await store.save([stored('a', 1)])
  const blocker = new Database(path)
  blocker.run('ALTER TABLE states RENAME TO elsewhere')
  const saving = store.save([stored('a', 2)])
  expect(nameOf(store.load('a'))).toBe('a@2')
  expect(await rejectionOf(saving)).toMatchObject({ code: 'state_failed', retriable: true })
  blocker.run('ALTER TABLE elsewhere RENAME TO states')
  blocker.close()
  expect(nameOf(store.load('a'))).toBe('a@1')
  await store.save([stored('a', 3)])
  expect(nameOf(store.load('a'))).toBe('a@3')
  await store.close()
})
