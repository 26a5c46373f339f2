import type { RoadClass } from '../../actors/model/city.ts'
import { type Atlas, type Block, type Box, boxOf, type Line, overlap } from './atlas.ts'
import type { LabelBook } from './label-book.ts'
import { lotsOf } from './lots.ts'
import type { Palette } from './palette.ts'

/** Where a tile lies and how large a unit of the world is on it. */
export type TileFrame = Readonly<{
  x: number
  y: number
  zoom: number
  sizePx: number
  dpr: number
}>

type Widths = Readonly<Record<RoadClass, number>>

const CLASSES: readonly RoadClass[] = ['street', 'secondary', 'primary', 'motorway']

/** Road widths in pixels by zoom, between them in a straight line. */
const WIDTHS: Readonly<Record<RoadClass, readonly [number, number][]>> = {
  street: [
    [10, 0.25],
    [12, 0.5],
    [13, 0.8],
    [14, 1.5],
    [15, 3],
    [16, 6],
    [17, 11],
    [19, 26],
  ],
  secondary: [
    [10, 0.6],
    [12, 1.2],
    [13, 1.8],
    [14, 3],
    [15, 5],
    [16, 9],
    [17, 15],
    [19, 34],
  ],
  primary: [
    [10, 1],
    [12, 1.9],
    [13, 2.8],
    [14, 4.4],
    [15, 7],
    [16, 12],
    [17, 19],
    [19, 42],
  ],
  motorway: [
    [10, 1.3],
    [12, 2.4],
    [13, 3.4],
    [14, 5.4],
    [15, 8.5],
    [16, 14],
    [17, 22],
    [19, 48],
  ],
}

/** Paints one tile of the built-in map. */
export function paintTile(
  pen: CanvasRenderingContext2D,
  frame: TileFrame,
  world: Readonly<{ atlas: Atlas; labels: LabelBook; palette: Palette }>,
): void {
  const { atlas, palette, labels } = world
  const { sizePx, zoom } = frame
  const scale = sizePx * 2 ** zoom
  const [left, top] = [frame.x * sizePx, frame.y * sizePx]
  const margin = 30 / scale
  const box: Box = {
    x0: left / scale - margin,
    y0: top / scale - margin,
    x1: (left + sizePx) / scale + margin,
    y1: (top + sizePx) / scale + margin,
  }
  pen.setTransform(frame.dpr, 0, 0, frame.dpr, 0, 0)
  pen.fillStyle = palette.land
  pen.fillRect(0, 0, sizePx, sizePx)
  const trace = (line: Line, closed: boolean): void => {
    for (let index = 0; index < line.length; index += 2) {
      const px = (line[index] ?? 0) * scale - left
      const py = (line[index + 1] ?? 0) * scale - top
      if (index === 0) pen.moveTo(px, py)
      else pen.lineTo(px, py)
    }
    if (closed) pen.closePath()
  }
  pen.lineJoin = 'round'
  pen.lineCap = 'round'
  if (zoom >= 14) paintBlocks(pen, atlas.blocks(box), trace, { palette, zoom })
  paintAreas(pen, atlas, trace, { palette, zoom, scale, box, left, top })
  paintWater(pen, atlas, trace, { palette, zoom })
  paintRoads(pen, { atlas, palette, zoom, box, scale, left, top })
  labels.paint(pen, { zoom, left, top, sizePx, palette })
}

type Trace = (line: Line, closed: boolean) => void

function paintBlocks(
  pen: CanvasRenderingContext2D,
  blocks: readonly Block[],
  trace: Trace,
  { palette, zoom }: { palette: Palette; zoom: number },
): void {
  pen.beginPath()
  for (const { ring } of blocks) trace(ring, true)
  pen.globalAlpha = Math.min(1, (zoom - 13) / 2)
  pen.fillStyle = palette.block
  pen.fill()
  pen.globalAlpha = 1
  if (zoom < 15) return
  pen.beginPath()
  for (const { ring } of blocks) for (const lot of lotsOf(ring)) trace(lot, true)
  pen.fillStyle = palette.lot
  pen.globalAlpha = zoom < 16 ? 0.55 : 1
  pen.fill()
  pen.globalAlpha = 1
  if (zoom < 16) return
  pen.strokeStyle = palette.lotEdge
  pen.lineWidth = 0.8
  pen.stroke()
}

function paintAreas(
  pen: CanvasRenderingContext2D,
  atlas: Atlas,
  trace: Trace,
  at: { palette: Palette; zoom: number; scale: number; box: Box; left: number; top: number },
): void {
  for (const { kind, ring, centre } of atlas.areas) {
    if (!overlap(boxOf(ring), at.box)) continue
    pen.beginPath()
    trace(ring, true)
    pen.fillStyle = at.palette[kind]
    pen.fill()
    if (kind === 'park') continue
    // Contour lines: the ring again, smaller and smaller, as if it were a hill.
    pen.strokeStyle = at.palette.contour
    pen.lineWidth = 0.8
    const steps = kind === 'mountain' ? 9 : 4
    for (let step = 1; step < steps; step += 1) {
      const size = 1 - step / steps
      pen.globalAlpha = 0.25 + 0.4 * (step / steps)
      pen.beginPath()
      for (let index = 0; index < ring.length; index += 2) {
        const wave = 1 + 0.05 * Math.sin(index * 0.45 + step * 0.7)
        const x = centre[0] + ((ring[index] ?? 0) - centre[0]) * size * wave
        const y = centre[1] + ((ring[index + 1] ?? 0) - centre[1]) * size * wave
        if (index === 0) pen.moveTo(x * at.scale - at.left, y * at.scale - at.top)
        else pen.lineTo(x * at.scale - at.left, y * at.scale - at.top)
      }
      pen.closePath()
      pen.stroke()
    }
    pen.globalAlpha = 1
  }
}

function paintWater(
  pen: CanvasRenderingContext2D,
  atlas: Atlas,
  trace: Trace,
  { palette, zoom }: { palette: Palette; zoom: number },
): void {
  pen.save()
  pen.beginPath()
  for (const ring of atlas.water) trace(ring, true)
  pen.fillStyle = palette.water
  pen.fill()
  pen.clip()
  // Shallow water along the shore: wide, faint strokes, of which only the wet half is seen.
  pen.strokeStyle = palette.depth
  const grow = Math.min(6, 2 ** (zoom - 12))
  for (const [widthPx, alpha] of [
    [90, 0.07],
    [54, 0.09],
    [28, 0.12],
    [10, 0.18],
  ] as const) {
    pen.globalAlpha = alpha
    pen.lineWidth = widthPx * grow
    pen.stroke()
  }
  pen.restore()
  pen.strokeStyle = palette.shore
  pen.lineWidth = 1.2
  pen.beginPath()
  for (const ring of atlas.water) trace(ring, true)
  pen.stroke()
}

function paintRoads(
  pen: CanvasRenderingContext2D,
  at: {
    atlas: Atlas
    palette: Palette
    zoom: number
    box: Box
    scale: number
    left: number
    top: number
  },
): void {
  const widths = widthsAt(at.zoom)
  const drawn = CLASSES.map((kind) => ({ kind, pieces: at.atlas.roads(kind, at.box) }))
  const stroke = (pieces: Float64Array, widthPx: number, colour: string): void => {
    pen.beginPath()
    for (let index = 0; index < pieces.length; index += 4) {
      pen.moveTo(
        (pieces[index] ?? 0) * at.scale - at.left,
        (pieces[index + 1] ?? 0) * at.scale - at.top,
      )
      pen.lineTo(
        (pieces[index + 2] ?? 0) * at.scale - at.left,
        (pieces[index + 3] ?? 0) * at.scale - at.top,
      )
    }
    pen.strokeStyle = colour
    pen.lineWidth = widthPx
    pen.stroke()
  }
  if (at.zoom >= 13) {
    for (const { kind, pieces } of drawn) {
      if (kind === 'street' && at.zoom < 15) continue
      stroke(pieces, widths[kind] + (at.zoom >= 15 ? 2.4 : 1.6), at.palette.casing)
    }
  }
  for (const { kind, pieces } of drawn) {
    // Far out the streets are a texture, no more.
    pen.globalAlpha =
      kind === 'street' && at.zoom < 14 ? Math.min(1, 0.45 + (at.zoom - 11) * 0.2) : 1
    stroke(pieces, widths[kind], at.palette.roads[kind])
  }
  pen.globalAlpha = 1
}

/** Widths of the roads at a zoom. */
export function widthsAt(zoom: number): Widths {
  const at = (kind: RoadClass): number => {
    const stops = WIDTHS[kind]
    let before = stops[0] ?? [0, 1]
    for (const stop of stops) {
      if (stop[0] >= zoom) {
        const part = stop[0] === before[0] ? 0 : (zoom - before[0]) / (stop[0] - before[0])
        return before[1] + (stop[1] - before[1]) * Math.max(0, part)
      }
      before = stop
    }
    return before[1]
  }
  return {
    street: at('street'),
    secondary: at('secondary'),
    primary: at('primary'),
    motorway: at('motorway'),
  }
}
