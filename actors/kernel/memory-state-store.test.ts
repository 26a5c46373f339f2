import { expect, test } from 'bun:test'

import { MemoryStateStore } from './memory-state-store.ts'
import { describeStateStore, nameOf, stored } from './state-conformance.ts'

describeStateStore('memory state store', async () => {
  const store = new MemoryStateStore()
  return {
    open: async () => store,
    reopen: async () => {
      store.crash()
      return store
    },
    dispose: async () => {},
  }
})

test('a crash takes away what was not durable', async () => {
  let settle = (): void => {}
  const store = new MemoryStateStore(() => new Promise((resolve) => (settle = resolve)))
  const first = store.save([stored('a', 1)])
  settle()
  await first
  void store.save([stored('a', 2), stored('b', 2)])
  expect(nameOf(store.load('a'))).toBe('a@2')
  store.crash()
  expect(nameOf(store.load('a'))).toBe('a@1')
  expect(store.load('b')).toBeNull()
  expect(store.count).toBe(1)
})
