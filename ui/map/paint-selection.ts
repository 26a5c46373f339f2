import type { TrailMark } from '../stores/trail.ts'
import type { Camera } from './camera.ts'
import { type Palette, speedStep } from './palette.ts'

type Spot = Readonly<{ x: number; y: number }>

const on = (camera: Camera, at: Spot): Spot => ({
  x: at.x * camera.scale - camera.originX,
  y: at.y * camera.scale - camera.originY,
})

/** A gap in the trail: farther between two marks than any street goes straight in a minute. */
const GAP = 1.2 / 40_000

/** The way behind a vehicle, coloured by its speed, up to where the vehicle is drawn. */
export function paintTrail(
  pen: CanvasRenderingContext2D,
  camera: Camera,
  palette: Palette,
  marks: readonly TrailMark[],
  head: Spot,
): void {
  if (marks.length === 0) return
  const paths = palette.speeds.map(() => new Path2D())
  const whole = new Path2D()
  let last = on(camera, marks[0] ?? head)
  let lastMark: Spot = marks[0] ?? head
  // The newest mark is where the vehicle goes: the trail ends at where it is drawn.
  for (let index = 1; index <= marks.length; index += 1) {
    const mark = index < marks.length - 1 ? marks[index] : undefined
    const at: Spot = mark ?? head
    const next = on(camera, at)
    const near = Math.abs(next.x - last.x) + Math.abs(next.y - last.y) < 1.5
    if (near && mark) continue
    if (Math.abs(at.x - lastMark.x) < GAP && Math.abs(at.y - lastMark.y) < GAP) {
      const path = paths[speedStep(marks[Math.min(index, marks.length - 1)]?.speedKmh ?? null)]
      for (const one of [path, whole]) {
        one?.moveTo(last.x, last.y)
        one?.lineTo(next.x, next.y)
      }
    }
    last = next
    lastMark = at
    if (!mark) break
  }
  pen.lineCap = 'round'
  pen.lineJoin = 'round'
  pen.strokeStyle = palette.core
  pen.globalAlpha = 0.7
  pen.lineWidth = 7
  pen.stroke(whole)
  pen.globalAlpha = 1
  pen.lineWidth = 4
  paths.forEach((path, step) => {
    pen.strokeStyle = palette.speeds[step] ?? palette.text
    pen.stroke(path)
  })
}

/** Start, destination, and the straight line that is left. */
export function paintRoute(
  pen: CanvasRenderingContext2D,
  camera: Camera,
  palette: Palette,
  route: Readonly<{ start: Spot; end: Spot; head: Spot; colour: string }>,
): void {
  const [start, end, head] = [
    on(camera, route.start),
    on(camera, route.end),
    on(camera, route.head),
  ]
  pen.save()
  pen.strokeStyle = route.colour
  pen.globalAlpha = 0.75
  pen.lineWidth = 1.8
  pen.setLineDash([2, 6])
  pen.lineCap = 'round'
  pen.beginPath()
  pen.moveTo(head.x, head.y)
  pen.lineTo(end.x, end.y)
  pen.stroke()
  pen.restore()
  pen.lineWidth = 3
  pen.fillStyle = palette.core
  pen.strokeStyle = palette.text
  pen.beginPath()
  pen.arc(start.x, start.y, 5, 0, Math.PI * 2)
  pen.fill()
  pen.stroke()
  paintPin(pen, end, route.colour, palette.core)
}

function paintPin(pen: CanvasRenderingContext2D, at: Spot, colour: string, core: string): void {
  pen.beginPath()
  pen.arc(at.x, at.y - 15, 8.5, Math.PI * 0.86, Math.PI * 0.14)
  pen.quadraticCurveTo(at.x + 4.5, at.y - 6, at.x, at.y)
  pen.quadraticCurveTo(at.x - 4.5, at.y - 6, at.x - 7.7, at.y - 11.4)
  pen.closePath()
  pen.fillStyle = colour
  pen.strokeStyle = core
  pen.lineWidth = 2
  pen.stroke()
  pen.fill()
  pen.fillStyle = core
  pen.beginPath()
  pen.arc(at.x, at.y - 15, 3.2, 0, Math.PI * 2)
  pen.fill()
}

/** The ring around the selected vehicle; it breathes when motion is welcome. */
export function paintRing(
  pen: CanvasRenderingContext2D,
  at: Spot,
  colour: string,
  breath: number,
): void {
  pen.strokeStyle = colour
  pen.lineWidth = 2
  pen.beginPath()
  pen.arc(at.x, at.y, 17, 0, Math.PI * 2)
  pen.stroke()
  pen.globalAlpha = 0.5 * (1 - breath)
  pen.beginPath()
  pen.arc(at.x, at.y, 17 + breath * 12, 0, Math.PI * 2)
  pen.stroke()
  pen.globalAlpha = 1
}

/** A small sign beside a vehicle: who it is, and how fast. */
export function paintChip(
  pen: CanvasRenderingContext2D,
  at: Spot,
  palette: Palette,
  sign: Readonly<{ title: string; note: string; colour: string; rightPx: number }>,
): void {
  pen.font = '600 12px "Inter Variable", Inter, system-ui, sans-serif'
  pen.textAlign = 'left'
  pen.textBaseline = 'middle'
  const titleWidth = pen.measureText(sign.title).width
  const noteWidth = sign.note === '' ? 0 : pen.measureText(sign.note).width + 8
  const width = titleWidth + noteWidth + 20
  const left = at.x + 24 + width > sign.rightPx ? at.x - 24 - width : at.x + 24
  const top = at.y - 13
  pen.beginPath()
  pen.roundRect(left, top, width, 26, 8)
  pen.globalAlpha = 0.95
  pen.fillStyle = palette.chip
  pen.fill()
  pen.globalAlpha = 1
  pen.strokeStyle = palette.chipEdge
  pen.lineWidth = 1
  pen.stroke()
  pen.fillStyle = palette.chipText
  pen.fillText(sign.title, left + 10, at.y + 0.5)
  pen.fillStyle = sign.colour
  if (noteWidth > 0) pen.fillText(sign.note, left + 18 + titleWidth, at.y + 0.5)
}
