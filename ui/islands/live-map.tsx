/** @jsxImportSource preact */
import { useEffect, useRef } from 'preact/hooks'

/** The map's box. Leaflet wants a browser, so it comes only there. */
export function LiveMap(props: { tilesUrl: string; tilesAttribution: string }) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = box.current
    if (element) void import('../map/live-map.ts').then(({ mountMap }) => mountMap(element, props))
  }, [])
  return (
    <div
      ref={box}
      class="map"
      role="application"
      aria-label="Map of all vehicles; the list beside it says the same in words"
    />
  )
}
