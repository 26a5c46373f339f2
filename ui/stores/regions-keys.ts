import { SIZES } from './regions-link.ts'
import { listed, momentMs, newestMs, timelineOf } from './regions-shown.ts'
import {
  changeSize,
  choose,
  chosen,
  pinnedMs,
  regionQuery,
  sizeS,
  stepMetric,
} from './regions-view.ts'
import { toggleTheme } from './theme.ts'
import { helpOpen } from './view.ts'

/** Listens to the regions page's keys; typing in a field keeps its letters. */
export function keepRegionsKeys(): void {
  addEventListener('keydown', (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || helpOpen.value) return
    const target = event.target instanceof HTMLElement ? event.target : null
    if (pressed(event.key, target)) event.preventDefault()
  })
}

function pressed(key: string, target: HTMLElement | null): boolean {
  if (key === 'Escape') return escape(target)
  const typing = target?.matches('input, textarea, select') ?? false
  const onMap = target?.closest('.leaflet-container') != null
  const free = !onMap && (!typing || target?.id === 'search')
  if (free && key === 'ArrowDown') return move(1)
  if (free && key === 'ArrowUp') return move(-1)
  if (typing) return false
  if (free && key === 'ArrowLeft') return stepMoment(-1)
  if (free && key === 'ArrowRight') return stepMoment(1)
  const name = SIZES[Number(key) - 1]
  if (name) changeSize(name)
  else if (key === 'm') stepMetric(1)
  else if (key === 'M') stepMetric(-1)
  else if (key === '/') document.getElementById('search')?.focus()
  else if (key === '?') helpOpen.value = true
  else if (key === 't') toggleTheme()
  else return false
  return true
}

function escape(target: HTMLElement | null): boolean {
  if (pinnedMs.value !== null) pinnedMs.value = null
  else if (chosen.value !== null) choose(null)
  else if (regionQuery.value !== '') regionQuery.value = ''
  else target?.blur()
  return true
}

function move(by: number): boolean {
  const rows = listed.value
  const at = rows.findIndex(({ figures }) => figures.regionId === chosen.value)
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by]
  if (next) choose(next.figures.regionId)
  return rows.length > 0
}

/** One window earlier or later; beyond the newest it follows again. */
export function stepMoment(by: number): boolean {
  const atMs = momentMs.value
  const newest = newestMs.value
  if (atMs === null || newest === null || timelineOf.value === null) return false
  const next = atMs + by * sizeS.value * 1_000
  pinnedMs.value = next >= newest ? null : next
  return true
}
