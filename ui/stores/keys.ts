import { listed } from './list.ts'
import { toggleTheme } from './theme.ts'
import { active, fitAll, following, helpOpen, query, reveal, select, selected } from './view.ts'

/** Listens to the page's keys; typing in a field keeps its letters. */
export function keepKeys(): void {
  addEventListener('keydown', (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || helpOpen.value) return
    const target = event.target instanceof HTMLElement ? event.target : null
    const typing = target?.matches('input, textarea, select, [contenteditable]') ?? false
    const onMap = target?.closest('.leaflet-container') !== null && target !== null
    if (pressed(event.key, typing, onMap, target)) event.preventDefault()
  })
}

function pressed(
  key: string,
  typing: boolean,
  onMap: boolean,
  target: HTMLElement | null,
): boolean {
  if (key === 'Escape') return escape(target)
  const arrows = !onMap && (!typing || target?.id === 'search')
  if (arrows && key === 'ArrowDown') return move(1)
  if (arrows && key === 'ArrowUp') return move(-1)
  const onButton = target?.matches('button, a, summary') ?? false
  if (key === 'Enter' && arrows && !onButton) return choose()
  if (typing) return false
  if (key === '/') return focusSearch()
  if (key === '?') helpOpen.value = true
  else if (key === 't') toggleTheme()
  else if (key === 'a') fitAll.value += 1
  else if (key === 'f' && selected.value !== null) {
    if (following.value) following.value = false
    else reveal(selected.value, true)
  } else return false
  return true
}

function escape(target: HTMLElement | null): boolean {
  if (selected.value !== null) select(null)
  else if (query.value !== '') query.value = ''
  else target?.blur()
  return true
}

function move(by: number): boolean {
  const last = listed.value.length - 1
  active.value = Math.max(0, Math.min(last, active.value + by))
  return last >= 0
}

function choose(): boolean {
  const vehicle = listed.value[Math.max(0, active.value)]
  if (!vehicle) return false
  reveal(vehicle.sessionId)
  return true
}

function focusSearch(): boolean {
  document.getElementById('search')?.focus()
  return true
}
