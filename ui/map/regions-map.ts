import { effect, untracked } from '@preact/signals'
import L from 'leaflet'

import { CITY_CENTRE } from '../../actors/model/city.ts'
import type { Ranked } from '../stores/ranking.ts'
import { lateShare } from '../stores/region-figures.ts'
import { type Metric, percentText, shortText, withUnit } from '../stores/region-metrics.ts'
import type { RegionShape } from '../stores/regions-api.ts'
import { shapes } from '../stores/regions-live.ts'
import { nameOf, ranked, scale, timelineOf } from '../stores/regions-shown.ts'
import { choose, chosen, hovered, metric } from '../stores/regions-view.ts'
import { theme } from '../stores/theme.ts'
import { BaseLayer, serverTiles } from './base-layer.ts'
import { makeMap, type MapOptions } from './make-map.ts'
import { paletteOf } from './palette.ts'

/** A region on the map: its ground, and its words above it. */
type Patch = Readonly<{
  regionId: number
  ground: L.GeoJSON
  path: SVGElement | null
  value: HTMLElement
  late: HTMLElement
  sign: L.Marker
  /** The room that the words have, degrees of longitude. */
  widthDeg: number
}>

/** Room that words need on a region, pixels. */
const VALUE_PX_MIN = 26
const LATE_PX_MIN = 30
const PADDING_PX = 18

/** Puts the map of the regions into a box and keeps it to the stores. */
export function mountRegions(box: HTMLElement, options: MapOptions): void {
  const patches = new Map<number, Patch>()
  let bounds: L.LatLngBounds | null = null
  const fit = (animate: boolean): void => {
    if (bounds) map.fitBounds(bounds, { padding: [PADDING_PX, PADDING_PX], animate })
  }
  const map = makeMap(box, {
    at: { ...CITY_CENTRE, zoom: 11 },
    // Halves of a step: a grid of regions fills its box instead of two thirds of it.
    zoomSnap: 0.25,
    fit: { title: 'Show all regions', run: () => fit(true) },
  })
  const base = new BaseLayer(paletteOf(theme.peek()))
  base.addTo(map)
  if (options.tilesUrl !== '')
    serverTiles(map, options.tilesUrl, options.tilesAttribution).addTo(map)
  effect(() => base.setPalette(paletteOf(theme.value)))
  void document.fonts.load('500 12px "Inter Variable"').then(() => base.fontsCame())
  let touched = false
  map.on('dragstart zoomanim', () => (touched = true))
  new ResizeObserver(() => {
    map.invalidateSize({ pan: false })
    if (!touched) fit(false)
    fitWords(map, patches)
  }).observe(box)
  map.on('zoomend', () => fitWords(map, patches))
  effect(() => {
    const collection = shapes.value
    for (const { ground, sign } of patches.values()) {
      ground.remove()
      sign.remove()
    }
    patches.clear()
    for (const shape of collection?.features ?? []) addPatch(map, patches, shape)
    const all = L.featureGroup([...patches.values()].map(({ ground }) => ground))
    bounds = patches.size === 0 ? null : all.getBounds()
    untracked(() => fit(false))
    touched = false
    fitWords(map, patches)
  })
  effect(() => {
    shapes.value
    paint(patches, ranked.value, metric.value)
  })
  effect(() => {
    shapes.value
    mark(patches)
  })
}

function addPatch(map: L.Map, patches: Map<number, Patch>, shape: RegionShape): void {
  const regionId = shape.properties.region_id
  const ground = L.geoJSON(shape as GeoJSON.Feature, {
    style: { className: 'region', weight: 1, fillOpacity: 1 },
  }).addTo(map)
  const [layer] = ground.getLayers()
  const element = layer instanceof L.Path ? layer.getElement() : null
  const words = document.createElement('div')
  words.className = 'region-words'
  const value = words.appendChild(document.createElement('b'))
  const late = words.appendChild(document.createElement('span'))
  const box = ground.getBounds()
  const sign = L.marker(box.getCenter(), {
    icon: L.divIcon({ html: words, className: 'region-sign', iconSize: [0, 0] }),
    interactive: false,
    keyboard: false,
  }).addTo(map)
  ground.bindTooltip(() => tip(regionId), {
    sticky: true,
    className: 'region-tip',
    offset: [12, 0],
  })
  ground.on('click', () => choose(chosen.peek() === regionId ? null : regionId))
  ground.on('mouseover', () => (hovered.value = regionId))
  ground.on('mouseout', () => {
    if (hovered.peek() === regionId) hovered.value = null
  })
  const path = element instanceof SVGElement ? element : null
  const widthDeg = box.getEast() - box.getWest()
  patches.set(regionId, { regionId, ground, path, value, late, sign, widthDeg })
}

/** Colours and words of all regions. */
function paint(patches: ReadonlyMap<number, Patch>, rows: readonly Ranked[], by: Metric): void {
  const byId = new Map(rows.map((row) => [row.figures.regionId, row]))
  for (const { regionId, ground, path, value, late } of patches.values()) {
    const row = byId.get(regionId)
    path?.setAttribute('data-tone', by.tone)
    const step = row?.value == null ? 'none' : String(scale.value.stepOf(row.value))
    path?.setAttribute('data-step', step)
    const isLate = String(row?.late === true)
    // Its dashes lie over the neighbours' edges; moved only when it changes, or a pointer there would be lost.
    if (isLate === 'true' && path?.getAttribute('data-late') !== isLate) ground.bringToFront()
    path?.setAttribute('data-late', isLate)
    value.parentElement?.setAttribute('data-step', step)
    value.parentElement?.setAttribute('data-tone', by.tone)
    // Of late shares, only those that are news: a hundred times "<0.1" says nothing.
    const said = row?.value != null && (by.id !== 'late' || row.late)
    value.textContent = said ? shortText(by, row.value ?? 0) : ''
    const totals = row?.late && by.id !== 'late' ? row.figures.totals : null
    late.textContent = totals ? `${percentText(lateShare(totals) * 100)} %` : ''
  }
}

/** The chosen region and the one under the pointer stand out, also where the ranking names them. */
function mark(patches: ReadonlyMap<number, Patch>): void {
  const [at, pointed] = [chosen.value ?? -1, hovered.value]
  const shown = timelineOf.value
  for (const { regionId, path, ground } of patches.values()) {
    path?.setAttribute('data-chosen', String(regionId === at))
    path?.setAttribute('data-shown', String(regionId === shown))
    path?.setAttribute('data-pointed', String(regionId === pointed))
    if (regionId === at) ground.bringToFront()
  }
}

/** Words only where there is room for them. */
function fitWords(map: L.Map, patches: ReadonlyMap<number, Patch>): void {
  const pxPerDeg = (256 * 2 ** map.getZoom()) / 360
  for (const { value, late, widthDeg } of patches.values()) {
    const px = widthDeg * pxPerDeg
    value.hidden = px < VALUE_PX_MIN
    late.hidden = px < LATE_PX_MIN
    value.parentElement?.setAttribute('data-room', px > 90 ? 'wide' : 'narrow')
  }
}

/** What the pointer reads on a region. */
function tip(regionId: number): HTMLElement {
  const box = document.createElement('div')
  const by = metric.peek()
  const row = ranked.peek().find(({ figures }) => figures.regionId === regionId)
  box.appendChild(document.createElement('b')).textContent = nameOf(regionId)
  const line = (text: string, tone = ''): void => {
    const element = box.appendChild(document.createElement('span'))
    element.textContent = text
    if (tone !== '') element.dataset.tone = tone
  }
  if (!row) {
    line('No trips yet')
    return box
  }
  line(row.value === null ? `${by.label}: nothing in this window` : withUnit(by, row.value))
  const { window, totals } = row.figures
  if (window && by.id !== 'trips') line(`${window.tripCount} trips`)
  if (totals && totals.late > 0) {
    line(`${percentText(lateShare(totals) * 100)} % late of ${totals.trips}`, 'brass')
  }
  return box
}
