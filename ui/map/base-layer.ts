import L from 'leaflet'

import { CITY_ATTRIBUTION } from '../../actors/model/city.ts'
import { type Atlas, makeAtlas } from './atlas.ts'
import { LabelBook } from './label-book.ts'
import { paintTile } from './paint-tile.ts'
import { type Palette } from './palette.ts'

const TILE_PX = 256

/** The built-in map as a Leaflet layer of canvas tiles, crisp at any pixel density. */
export class BaseLayer extends L.GridLayer {
  readonly #atlas: Atlas = makeAtlas()
  #labels = new LabelBook(this.#atlas)
  #palette: Palette

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

  protected override createTile(coords: L.Coords): HTMLElement {
    const tile = document.createElement('canvas')
    const dpr = Math.min(3, Math.max(1, window.devicePixelRatio || 1))
    tile.width = TILE_PX * dpr
    tile.height = TILE_PX * dpr
    const pen = tile.getContext('2d', { alpha: false })
    if (pen) {
      const frame = { x: coords.x, y: coords.y, zoom: coords.z, sizePx: TILE_PX, dpr }
      paintTile(pen, frame, { atlas: this.#atlas, labels: this.#labels, palette: this.#palette })
    }
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
