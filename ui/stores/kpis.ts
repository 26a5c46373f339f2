import { signal } from '@preact/signals'

import type { LiveKpi } from '../../actors/model/live.ts'

const HISTORY_MAX = 120

/** The newest figures, and those of the last two minutes, oldest first. */
export const kpi = signal<LiveKpi | null>(null)
export const kpiHistory = signal<readonly LiveKpi[]>([])

/** Takes one second's figures. */
export function takeKpi(next: LiveKpi): void {
  kpi.value = next
  kpiHistory.value = [...kpiHistory.value, next].slice(-HISTORY_MAX)
}
