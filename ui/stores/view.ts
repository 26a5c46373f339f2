import { computed, effect, signal } from '@preact/signals'

import type { LiveStatus } from '../../actors/model/live.ts'
import { formatLink, parseLink, type View } from './link.ts'

/** What the reader looks at; all islands share it. */
export const query = signal('')
export const statuses = signal<readonly LiveStatus[]>([])
/** Session id of the selected vehicle. */
export const selected = signal<string | null>(null)
export const following = signal(false)
export const camera = signal<View['camera']>(null)
export const helpOpen = signal(false)
/** Height of the bottom sheet on a narrow screen. */
export const sheet = signal<'peek' | 'half' | 'full'>('half')

/** The filter as one value. */
export const filter = computed(() => ({ query: query.value, statuses: statuses.value }))

/** Goes up when the map shall show the whole fleet. */
export const fitAll = signal(0)

/** The row that the arrow keys are on; −1 for none. */
export const active = signal(-1)

/** Goes up when the map shall show the selected vehicle. */
export const reveals = signal(0)

/** Selects a session and brings it into view. */
export function reveal(sessionId: string, follow = false): void {
  select(sessionId, follow)
  reveals.value += 1
}

/** Selects a session, or nothing; `follow` moves the map with it. */
export function select(sessionId: string | null, follow = false): void {
  selected.value = sessionId
  following.value = sessionId !== null && follow
}

/** Shows only this status as well, or no longer. */
export function toggleStatus(status: LiveStatus): void {
  const now = statuses.value
  statuses.value = now.includes(status) ? now.filter((one) => one !== status) : [...now, status]
}

/** Takes the view from the page's address, then keeps the address to the view. */
export function keepAddress(): void {
  const read = (): void => {
    const view = parseLink(location.hash)
    query.value = view.query
    statuses.value = view.statuses
    camera.value = view.camera
    select(view.selected, view.follow)
  }
  read()
  if (selected.value !== null && camera.value === null) reveals.value += 1
  addEventListener('hashchange', read)
  let timer: ReturnType<typeof setTimeout> | undefined
  effect(() => {
    const link = formatLink({
      camera: camera.value,
      selected: selected.value,
      follow: following.value,
      query: query.value,
      statuses: statuses.value,
    })
    clearTimeout(timer)
    // Browsers allow about a hundred changes of the address in half a minute.
    timer = setTimeout(() => {
      if (link !== location.hash) history.replaceState(null, '', link || location.pathname)
    }, 350)
  })
}
