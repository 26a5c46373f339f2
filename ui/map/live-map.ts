import { effect } from '@preact/signals'
import L from 'leaflet'

import { CITY_CENTRE } from '../../actors/model/city.ts'
import { matcher } from '../stores/filter.ts'
import { drawnAt, type Vehicle } from '../stores/fleet.ts'
import { fleet } from '../stores/live.ts'
import { theme } from '../stores/theme.ts'
import { trail } from '../stores/trail.ts'
import { camera, filter, fitAll, following, reveals, select, selected } from '../stores/view.ts'
import { BaseLayer, serverTiles } from './base-layer.ts'
import { CameraTracker } from './camera.ts'
import { FleetLayer } from './fleet-layer.ts'
import { makeMap, type MapOptions } from './make-map.ts'
import { paletteOf } from './palette.ts'

/** Following rests until then: the map is on a flight of its own, which a nudge would end. */
type Pause = { untilMs: number }

const FLIGHT_MS = 450
const ZOOM_FIRST = 12
const ZOOM_CLOSE = 15
/** One frame in 33 ms is enough for cars; under a hand every frame counts. */
const FRAME_MS = 31
const FRAME_MS_CALM = 500
/** On a wide screen the card of the selected vehicle lies over the map's right side. */
const CARD_PX = 340
const CARD_SCREEN_PX_MIN = 700
const PICK_PX_MOUSE = 16
const PICK_PX_TOUCH = 26

/** Puts the map into a box and keeps it to the stores. */
export function mountMap(box: HTMLElement, options: MapOptions): void {
  const at = camera.peek()
  const map = makeMap(box, {
    at: at ?? { ...CITY_CENTRE, zoom: ZOOM_FIRST },
    fit: { title: 'Show the whole fleet (a)', run: () => (fitAll.value += 1) },
  })
  const base = new BaseLayer(paletteOf(theme.peek()))
  base.addTo(map)
  if (options.tilesUrl !== '')
    serverTiles(map, options.tilesUrl, options.tilesAttribution).addTo(map)
  const layer = new FleetLayer(fleet, paletteOf(theme.peek()))
  map.getPanes().mapPane.after(layer.canvas)
  const resize = (): void => {
    map.invalidateSize({ pan: false })
    const size = map.getSize()
    layer.resize(size.x, size.y)
  }
  resize()
  new ResizeObserver(resize).observe(box)
  effect(() => {
    base.setPalette(paletteOf(theme.value))
    layer.setPalette(paletteOf(theme.value))
  })
  void document.fonts.load('500 12px "Inter Variable"').then(() => base.fontsCame())
  const hover = listenToPointer(map, layer)
  const pause: Pause = { untilMs: 0 }
  keepCamera(map, pause)
  runFrames(map, layer, hover, pause)
}

/** Click selects, a pointer nearby shows a name, a drag lets go of the followed vehicle. */
function listenToPointer(map: L.Map, layer: FleetLayer): { vehicle: Vehicle | null } {
  const hover: { vehicle: Vehicle | null } = { vehicle: null }
  const touch = matchMedia('(pointer: coarse)')
  map.on('click', ({ containerPoint }: L.LeafletMouseEvent) => {
    const tolerancePx = touch.matches ? PICK_PX_TOUCH : PICK_PX_MOUSE
    const vehicle = layer.pick(containerPoint.x, containerPoint.y, tolerancePx)
    if (vehicle?.sessionId !== selected.value) select(vehicle?.sessionId ?? null)
  })
  map.on('mousemove', ({ containerPoint }: L.LeafletMouseEvent) => {
    hover.vehicle = layer.pick(containerPoint.x, containerPoint.y, PICK_PX_MOUSE)
    map.getContainer().classList.toggle('over-vehicle', hover.vehicle !== null)
  })
  map.on('mouseout', () => {
    hover.vehicle = null
  })
  map.on('dragstart', () => {
    following.value = false
  })
  effect(() => {
    map.options.scrollWheelZoom = following.value ? 'center' : true
    map.options.touchZoom = following.value ? 'center' : true
  })
  return hover
}

/** Camera from and to the address; the first look at a fleet; what the list or a key asks to see. */
function keepCamera(map: L.Map, pause: Pause): void {
  let ownMove = camera.peek() !== null
  map.on('moveend', () => {
    if (!ownMove || following.peek()) return
    const { lat, lng } = map.getCenter()
    camera.value = { zoom: map.getZoom(), lat, lng }
  })
  effect(() => {
    const at = camera.value
    if (!at || following.peek()) return
    const now = map.getCenter()
    const same = Math.abs(now.lat - at.lat) + Math.abs(now.lng - at.lng) < 2e-5
    if (!same || map.getZoom() !== at.zoom) map.setView(at, at.zoom, { animate: false })
  })
  let fitted = ownMove
  effect(() => {
    const asked = fitAll.value > 0
    fleet.membership.value
    if (fitted || fleet.size === 0 || selected.peek() !== null) return
    fitted = true
    ownMove = true
    if (!asked) fit(map, false)
  })
  let fits = fitAll.peek()
  effect(() => {
    if (fitAll.value === fits) return
    fits = fitAll.value
    following.value = false
    ownMove = true
    fit(map, fleet.smooth)
  })
  let shown = 0
  effect(() => {
    fleet.membership.value
    if (reveals.value === shown || selected.value === null) return
    const vehicle = fleet.find(selected.value)
    if (!vehicle) return
    shown = reveals.value
    ownMove = true
    pause.untilMs = performance.now() + FLIGHT_MS
    const zoom = Math.max(map.getZoom(), ZOOM_CLOSE - 1)
    const zoomTo = following.peek() ? Math.max(zoom, ZOOM_CLOSE) : zoom
    const at = map.project(vehicle, zoomTo).add([coveredPx(map) / 2, 0])
    map.setView(map.unproject(at, zoomTo), zoomTo, { animate: fleet.smooth })
  })
}

/** Shows nearly all vehicles: a stray one far away does not zoom the city out of sight. */
function fit(map: L.Map, animate: boolean): void {
  const vehicles = [...fleet.vehicles]
  if (vehicles.length === 0) {
    map.setView(CITY_CENTRE, ZOOM_FIRST, { animate })
    return
  }
  const spread = (values: number[]): [number, number] => {
    values.sort((one, other) => one - other)
    const cut = values.length < 20 ? 0 : Math.floor(values.length * 0.02)
    return [values[cut] ?? 0, values[values.length - 1 - cut] ?? 0]
  }
  const [south, north] = spread(vehicles.map(({ lat }) => lat))
  const [west, east] = spread(vehicles.map(({ lng }) => lng))
  const bounds = L.latLngBounds([south, west], [north, east])
  map.fitBounds(bounds, { padding: [24, 24], maxZoom: ZOOM_CLOSE, animate })
}

function runFrames(
  map: L.Map,
  layer: FleetLayer,
  hover: { vehicle: Vehicle | null },
  pause: Pause,
): void {
  const tracker = new CameraTracker(map)
  let passes = matcher(filter.peek())
  let moving = false
  let drawnMs = 0
  let asked = true
  effect(() => {
    passes = matcher(filter.value)
    selected.value
    fleet.revision.value
    asked = true
  })
  map.on('movestart zoomstart', () => (moving = true))
  map.on('moveend zoomend', () => (moving = false))
  map.on('move zoom resize mousemove', () => (asked = true))
  const frame = (nowMs: number): void => {
    requestAnimationFrame(frame)
    const busy = moving || tracker.gliding
    const calm = !fleet.smooth && !asked
    if (!busy && nowMs - drawnMs < (calm ? FRAME_MS_CALM : FRAME_MS)) return
    drawnMs = nowMs
    asked = false
    const chosen = selected.peek() === null ? null : fleet.find(selected.peek() ?? '')
    const follows = following.peek() && !busy && nowMs > pause.untilMs
    if (chosen && follows) keepCentred(map, chosen, nowMs)
    const pointed = hover.vehicle
    layer.draw(nowMs, tracker.now(nowMs), {
      selected: chosen,
      hovered: pointed && pointed.leftMs === Infinity && passes(pointed) ? pointed : null,
      trail: trail.marks,
      passes: (vehicle) => vehicle === chosen || passes(vehicle),
      coveredPx: coveredPx(map),
    })
  }
  requestAnimationFrame(frame)
}

function coveredPx(map: L.Map): number {
  return selected.peek() !== null && map.getSize().x > CARD_SCREEN_PX_MIN ? CARD_PX : 0
}

function keepCentred(map: L.Map, vehicle: Vehicle, nowMs: number): void {
  const { x, y } = drawnAt(vehicle, nowMs)
  const scale = 256 * 2 ** map.getZoom()
  const centre = map.project(map.getCenter())
  const dx = Math.round(x * scale - centre.x + coveredPx(map) / 2)
  const dy = Math.round(y * scale - centre.y)
  if (dx !== 0 || dy !== 0) map.panBy([dx, dy], { animate: false, noMoveStart: true })
}
