import L from 'leaflet'

/** Tiles of a server over the built-in map; empty for none. */
export type MapOptions = Readonly<{ tilesUrl: string; tilesAttribution: string }>

/** How a page wants its map. */
export type MapSetting = Readonly<{
  at: Readonly<{ lat: number; lng: number; zoom: number }>
  zoomSnap?: number
  fit: Readonly<{ title: string; run: () => void }>
}>

/** A Leaflet map with our controls. */
export function makeMap(box: HTMLElement, { at, zoomSnap, fit }: MapSetting): L.Map {
  const map = L.map(box, {
    center: at,
    zoom: at.zoom,
    minZoom: 3,
    maxZoom: 19,
    zoomSnap: zoomSnap ?? 1,
    zoomControl: false,
    attributionControl: false,
    worldCopyJump: false,
    wheelPxPerZoomLevel: 90,
  })
  L.control
    .attribution({ prefix: '<a href="https://leafletjs.com" rel="noreferrer">Leaflet</a>' })
    .addTo(map)
  L.control.scale({ imperial: false, position: 'bottomright', maxWidth: 90 }).addTo(map)
  new FitControl(fit).addTo(map)
  L.control.zoom({ position: 'bottomright', zoomInText: '+', zoomOutText: '−' }).addTo(map)
  return map
}

/** A button beside the zoom's that shows everything. */
class FitControl extends L.Control {
  readonly #fit: MapSetting['fit']

  constructor(fit: MapSetting['fit']) {
    super({ position: 'bottomright' })
    this.#fit = fit
  }

  override onAdd(): HTMLElement {
    const bar = L.DomUtil.create('div', 'leaflet-bar')
    const button = L.DomUtil.create('a', 'fit', bar)
    button.href = '#'
    button.title = this.#fit.title
    button.setAttribute('role', 'button')
    button.setAttribute('aria-label', this.#fit.title.replace(/ \(.*/, ''))
    L.DomEvent.disableClickPropagation(bar)
    L.DomEvent.on(button, 'click', (event) => {
      L.DomEvent.preventDefault(event)
      this.#fit.run()
    })
    return bar
  }
}
