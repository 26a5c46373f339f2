import L from 'leaflet'

import { CITY_ATTRIBUTION } from '../../actors/model/city.ts'
import { type Atlas, makeAtlas } from './atlas.ts'
import { LabelBook } from './label-book.ts'
import { PaintQueue } from './paint-queue.ts'
import { paintTile } from './paint-tile.ts'
import { type Palette } from './palette.ts'

const TILE_PX = 256
/** Of a frame's time, spent on tiles. */
const PAINT_MS = 9

/** The built-in map as a Leaflet layer of canvas tiles, crisp at any pixel density. */
export class BaseLayer extends L.GridLayer {
  readonly #atlas: Atlas = makeAtlas()
  #labels = new LabelBook(this.#atlas)
  #palette: Palette
  readonly #queue = new PaintQueue(PAINT_MS)

  constructor(palette: Palette) {
    super({
      tileSize: TILE_PX,
      attribution: CITY_ATTRIBUTION,
      updateWhenIdle: false,
      keepBuffer: 3,
      className: 'base-tiles',
    })
    this.#palette = palette
  }

  /** Paints again, in other colours. */
  setPalette(palette: Palette): void {
    if (palette === this.#palette) return
    this.#palette = palette
    this.redraw()
  }

  /** Measures and paints the names again: the font has come. */
  fontsCame(): void {
    this.#labels = new LabelBook(this.#atlas)
    this.redraw()
  }

  protected override createTile(coords: L.Coords, done: L.DoneCallback): HTMLElement {
    const tile = document.createElement('canvas')
    const dpr = Math.min(3, Math.max(1, window.devicePixelRatio || 1))
    tile.width = TILE_PX * dpr
    tile.height = TILE_PX * dpr
    const frame = { x: coords.x, y: coords.y, zoom: coords.z, sizePx: TILE_PX, dpr }
    const world = { atlas: this.#atlas, labels: this.#labels, palette: this.#palette }
    // Leaflet puts the tile onto the page just after this; one that it took away again is skipped.
    const wanted = (): boolean => tile.isConnected && this.#palette === world.palette
    this.#queue.add(wanted, () => {
      const pen = tile.getContext('2d', { alpha: false })
      if (pen) paintTile(pen, frame, world)
      done(undefined, tile)
    })
    return tile
  }
}

const ERRORS_MAX = 4

/** Tiles of a server that the owner configured; given up when it does not answer, the built-in map stays. */
export function serverTiles(map: L.Map, url: string, attribution: string): L.TileLayer {
  const tiles = L.tileLayer(url, { attribution, maxZoom: 19, crossOrigin: true })
  let errors = 0
  let loaded = false
  tiles.on('tileload', () => {
    loaded = true
  })
  tiles.on('tileerror', () => {
    errors += 1
    if (!loaded && errors >= ERRORS_MAX) map.removeLayer(tiles)
  })
  return tiles
}
