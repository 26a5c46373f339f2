import type { Atlas, NamedLine } from './atlas.ts'
import type { Palette } from './palette.ts'

type Placed = Readonly<{
  text: string
  font: string
  tone: 'text' | 'textMinor' | 'textWater' | 'textPark'
  /** World pixels at the zoom. */
  x: number
  y: number
  angle: number
  halfWidth: number
  spacing: string
}>

type View = Readonly<{ zoom: number; left: number; top: number; sizePx: number; palette: Palette }>

const FAMILY = '"Inter Variable", Inter, system-ui, sans-serif'
const BIN_PX = 256

/** Places names once for each zoom, so that no two overlap and neighbour tiles agree. */
export class LabelBook {
  readonly #atlas: Atlas
  readonly #pen: CanvasRenderingContext2D | null
  readonly #pages = new Map<number, Map<string, Placed[]>>()

  constructor(atlas: Atlas) {
    this.#atlas = atlas
    this.#pen = document.createElement('canvas').getContext('2d')
  }

  /** Draws the names that touch a tile. */
  paint(pen: CanvasRenderingContext2D, view: View): void {
    const page = this.#page(view.zoom, view.sizePx)
    pen.textAlign = 'center'
    pen.textBaseline = 'middle'
    pen.lineJoin = 'round'
    const [bx, by] = [Math.floor(view.left / BIN_PX), Math.floor(view.top / BIN_PX)]
    for (const label of page.get(`${bx},${by}`) ?? []) {
      pen.save()
      pen.translate(label.x - view.left, label.y - view.top)
      if (label.angle !== 0) pen.rotate(label.angle)
      pen.font = label.font
      pen.letterSpacing = label.spacing
      pen.strokeStyle = view.palette.halo
      pen.globalAlpha = 0.85
      pen.lineWidth = 3
      pen.strokeText(label.text, 0, 0)
      pen.globalAlpha = 1
      pen.fillStyle = view.palette[label.tone]
      pen.fillText(label.text, 0, 0)
      pen.restore()
    }
  }

  #page(zoom: number, sizePx: number): Map<string, Placed[]> {
    const known = this.#pages.get(zoom)
    if (known) return known
    const scale = sizePx * 2 ** zoom
    const taken = new Set<string>()
    const page = new Map<string, Placed[]>()
    const offer = (label: Placed): void => {
      const cells = cellsOf(label)
      if (cells.some((cell) => taken.has(cell))) return
      for (const cell of cells) taken.add(cell)
      for (const key of binsOf(label)) {
        const bin = page.get(key)
        if (bin) bin.push(label)
        else page.set(key, [label])
      }
    }
    for (const label of this.#places(zoom, scale)) offer(label)
    for (const named of this.#atlas.named) this.#alongLine(named, zoom, scale, offer)
    this.#pages.set(zoom, page)
    return page
  }

  #places(zoom: number, scale: number): Placed[] {
    const placed: Placed[] = []
    for (const { text, kind, x, y } of this.#atlas.labels) {
      if (kind === 'city' ? zoom > 12 : kind === 'town' ? zoom < 11 || zoom > 15 : false) continue
      if (kind === 'quarter' && zoom < 13) continue
      const sizePx = kind === 'city' ? 17 : kind === 'town' ? (zoom < 12 ? 11 : 12.5) : 11.5
      const style = kind === 'water' ? 'italic 500' : kind === 'quarter' ? '500' : '650'
      const font = `${style} ${sizePx}px ${FAMILY}`
      const spacing = kind === 'water' ? '1.5px' : kind === 'town' ? '0.6px' : '0.2px'
      const tone = kind === 'water' ? 'textWater' : kind === 'quarter' ? 'textMinor' : 'text'
      placed.push(this.#place({ text, font, tone, spacing, x: x * scale, y: y * scale, angle: 0 }))
    }
    for (const { name, kind, centre } of this.#atlas.areas) {
      if (zoom < (kind === 'mountain' ? 12 : 14)) continue
      const font = `italic 500 11px ${FAMILY}`
      const [x, y] = [centre[0] * scale, centre[1] * scale]
      placed.push(
        this.#place({ text: name, font, tone: 'textPark', spacing: '0.3px', x, y, angle: 0 }),
      )
    }
    return placed
  }

  #alongLine(
    { name, class: kind, line }: NamedLine,
    zoom: number,
    scale: number,
    offer: (label: Placed) => void,
  ): void {
    const from = { motorway: 13, primary: 14, secondary: 15, street: 16 }[kind]
    if (zoom < from) return
    const font = `500 ${kind === 'street' ? 10 : 10.5}px ${FAMILY}`
    const probe = this.#place({
      text: name,
      font,
      tone: 'textMinor',
      spacing: '0.2px',
      x: 0,
      y: 0,
      angle: 0,
    })
    const everyPx = Math.max(420, probe.halfWidth * 5)
    let lengthPx = 0
    for (let index = 2; index < line.length; index += 2) lengthPx += pieceLength(line, index, scale)
    const copies = Math.floor(lengthPx / everyPx) || (lengthPx > probe.halfWidth * 2.4 ? 1 : 0)
    for (let copy = 0; copy < copies; copy += 1) {
      const middlePx = (lengthPx * (copy + 0.5)) / copies
      const a = pointAt(line, middlePx - probe.halfWidth, scale)
      const b = pointAt(line, middlePx + probe.halfWidth, scale)
      const m = pointAt(line, middlePx, scale)
      if (!a || !b || !m) continue
      // On a bend the name would leave its street.
      const bend = Math.hypot((a.x + b.x) / 2 - m.x, (a.y + b.y) / 2 - m.y)
      if (bend > 4) continue
      let angle = Math.atan2(b.y - a.y, b.x - a.x)
      if (angle > Math.PI / 2) angle -= Math.PI
      if (angle < -Math.PI / 2) angle += Math.PI
      offer({ ...probe, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, angle })
    }
  }

  #place(label: Omit<Placed, 'halfWidth'>): Placed {
    let halfWidth = label.text.length * 3.2
    if (this.#pen) {
      this.#pen.font = label.font
      this.#pen.letterSpacing = label.spacing
      halfWidth = this.#pen.measureText(label.text).width / 2
    }
    return { ...label, halfWidth }
  }
}

function pieceLength(line: Float64Array, index: number, scale: number): number {
  const dx = (line[index] ?? 0) - (line[index - 2] ?? 0)
  const dy = (line[index + 1] ?? 0) - (line[index - 1] ?? 0)
  return Math.hypot(dx, dy) * scale
}

function pointAt(line: Float64Array, px: number, scale: number): { x: number; y: number } | null {
  let left = px
  if (left < 0) return null
  for (let index = 2; index < line.length; index += 2) {
    const length = pieceLength(line, index, scale)
    if (left <= length && length > 0) {
      const part = left / length
      const [x0 = 0, y0 = 0] = [line[index - 2], line[index - 1]]
      const [x1 = 0, y1 = 0] = [line[index], line[index + 1]]
      return { x: (x0 + (x1 - x0) * part) * scale, y: (y0 + (y1 - y0) * part) * scale }
    }
    left -= length
  }
  return null
}

/** Cells of 18 px that a label covers. */
function cellsOf({ x, y, angle, halfWidth }: Placed): string[] {
  const cells = new Set<string>()
  const [dx, dy] = [Math.cos(angle), Math.sin(angle)]
  for (let at = -halfWidth - 6; at <= halfWidth + 6; at += 9) {
    for (const side of [-8, 0, 8]) {
      const cx = Math.floor((x + dx * at - dy * side) / 18)
      const cy = Math.floor((y + dy * at + dx * side) / 18)
      cells.add(`${cx},${cy}`)
    }
  }
  return [...cells]
}

function binsOf({ x, y, halfWidth }: Placed): string[] {
  const reach = halfWidth + 14
  const keys: string[] = []
  for (let bx = Math.floor((x - reach) / BIN_PX); bx <= Math.floor((x + reach) / BIN_PX); bx += 1) {
    for (
      let by = Math.floor((y - reach) / BIN_PX);
      by <= Math.floor((y + reach) / BIN_PX);
      by += 1
    ) {
      keys.push(`${bx},${by}`)
    }
  }
  return keys
}
