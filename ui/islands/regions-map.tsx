/** @jsxImportSource preact */
import { useEffect, useRef } from 'preact/hooks'

import { STEPS } from '../stores/colour-scale.ts'
import { ranked, scale } from '../stores/regions-shown.ts'
import { metric } from '../stores/regions-view.ts'

/** The map's box and its key. Leaflet wants a browser, so it comes only there. */
export function RegionsMap(props: { tilesUrl: string; tilesAttribution: string }) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = box.current
    if (!element) return
    void import('../map/regions-map.ts').then(({ mountRegions }) => mountRegions(element, props))
  }, [])
  return (
    <>
      <div
        ref={box}
        class="map"
        role="application"
        aria-label="Map of the regions; the ranking beside it says the same in words"
      />
      <Legend />
    </>
  )
}

function Legend() {
  const { low, high } = scale.value
  if (ranked.value.length === 0) return null
  const { tone, label, unit, text } = metric.value
  return (
    <div class="legend" data-tone={tone} aria-hidden="true">
      <span class="legend-title">
        {label}
        {unit === '' || label.toLowerCase().includes(unit) ? '' : `, ${unit}`}
      </span>
      <span class="legend-steps">
        {Array.from({ length: STEPS }, (_, step) => (
          <i key={step} data-step={step} />
        ))}
      </span>
      <span class="legend-ends">
        <span>{text(low)}</span>
        <span>{text(high)}</span>
      </span>
      <span class="legend-late">Late region</span>
    </div>
  )
}
