import { computed } from '@preact/signals'

import { matcher, ordered } from './filter.ts'
import { type Vehicle } from './fleet.ts'
import { fleet } from './live.ts'
import { filter, statuses } from './view.ts'

const all = computed(() => {
  fleet.membership.value
  return ordered(fleet.vehicles)
})

/** Vehicles that pass the filter, in the list's order. */
export const listed = computed((): readonly Vehicle[] => {
  // A status may change with any message; without a status filter that moves nobody.
  if (statuses.value.length > 0) fleet.revision.value
  return all.value.filter(matcher(filter.value))
})
