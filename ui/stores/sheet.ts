import { effect } from '@preact/signals'

import { sheet } from './view.ts'

const ORDER = ['peek', 'half', 'full'] as const
const DRAG_PX = 36

/** Lets a thumb pull the bottom sheet of a narrow screen; its button steps through the heights. */
export function keepSheet(): void {
  const grip = document.querySelector<HTMLElement>('.grip')
  if (!grip) return
  effect(() => {
    document.documentElement.dataset.sheet = sheet.value
    grip.setAttribute('aria-expanded', String(sheet.value !== 'peek'))
  })
  let fromY = 0
  let dragged = false
  const step = (by: number): void => {
    const next = ORDER[Math.max(0, Math.min(2, ORDER.indexOf(sheet.value) + by))]
    if (next) sheet.value = next
  }
  grip.addEventListener('pointerdown', (event) => {
    fromY = event.clientY
    dragged = false
    grip.setPointerCapture(event.pointerId)
  })
  grip.addEventListener('pointerup', (event) => {
    const upPx = fromY - event.clientY
    if (Math.abs(upPx) < DRAG_PX) return
    dragged = true
    step(upPx > 0 ? 1 : -1)
  })
  grip.addEventListener('click', () => {
    if (!dragged) sheet.value = sheet.value === 'half' ? 'peek' : 'half'
    dragged = false
  })
}
