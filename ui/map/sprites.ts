import type { LiveStatus } from '../../actors/model/live.ts'
import { STATUS_ORDER } from '../stores/format.ts'
import type { Palette } from './palette.ts'

/** Headings that an arrow is drawn in beforehand. */
const TURNS = 48

/** Pictures of vehicles, drawn once for a theme and a pixel density. */
export type Sprites = Readonly<{
  /** Side of one picture in device pixels. */
  sidePx: number
  dot(status: LiveStatus): HTMLCanvasElement
  /** The sheet with an arrow for every heading side by side, and where this heading begins on it. */
  arrow(status: LiveStatus): HTMLCanvasElement
  arrowAt(headingDeg: number): number
}>

/** `glow` is for a few vehicles close by; without it a picture is smaller, for crowds. */
export function makeSprites(palette: Palette, dpr: number, glow: boolean): Sprites {
  const side = Math.ceil((glow ? 34 : 22) * dpr)
  const dots = new Map<LiveStatus, HTMLCanvasElement>()
  const arrows = new Map<LiveStatus, HTMLCanvasElement>()
  for (const status of STATUS_ORDER) {
    const light = glow ? palette.glow : palette.glow * 0.6
    const paint = {
      colour: palette.status[status],
      glow: status === 'silent' ? 0 : light,
      palette,
    }
    const size = glow ? dpr : dpr * 0.74
    const drawOne = (pen: CanvasRenderingContext2D): void => drawDot(pen, size, paint)
    const drawTurn = (pen: CanvasRenderingContext2D, turn: number): void => {
      const angle = (turn / TURNS) * Math.PI * 2
      drawArrow(pen, dpr, { ...paint, glow: glow ? paint.glow : 0, angle })
    }
    dots.set(status, sheet(side, 1, drawOne))
    arrows.set(status, sheet(side, TURNS, drawTurn))
  }
  const blank = document.createElement('canvas')
  return {
    sidePx: side,
    dot: (status) => dots.get(status) ?? blank,
    arrow: (status) => arrows.get(status) ?? blank,
    arrowAt: (headingDeg) => (Math.round((headingDeg / 360) * TURNS) % TURNS) * side,
  }
}

function sheet(
  side: number,
  count: number,
  draw: (pen: CanvasRenderingContext2D, index: number) => void,
): HTMLCanvasElement {
  const canvas = document.createElement('canvas')
  canvas.width = side * count
  canvas.height = side
  const pen = canvas.getContext('2d')
  if (!pen) return canvas
  for (let index = 0; index < count; index += 1) {
    pen.save()
    pen.translate(side * (index + 0.5), side / 2)
    draw(pen, index)
    pen.restore()
  }
  return canvas
}

type Paint = Readonly<{ colour: string; glow: number; palette: Palette }>

function drawGlow(pen: CanvasRenderingContext2D, radius: number, { colour, glow }: Paint): void {
  if (glow <= 0) return
  const light = pen.createRadialGradient(0, 0, 0, 0, 0, radius)
  light.addColorStop(0, colour)
  light.addColorStop(0.45, `${colour}55`)
  light.addColorStop(1, `${colour}00`)
  pen.globalAlpha = glow
  pen.fillStyle = light
  pen.beginPath()
  pen.arc(0, 0, radius, 0, Math.PI * 2)
  pen.fill()
  pen.globalAlpha = 1
}

function drawDot(pen: CanvasRenderingContext2D, dpr: number, paint: Paint): void {
  drawGlow(pen, 12 * dpr, paint)
  pen.fillStyle = paint.palette.core
  pen.beginPath()
  pen.arc(0, 0, 4.6 * dpr, 0, Math.PI * 2)
  pen.fill()
  pen.fillStyle = paint.colour
  pen.beginPath()
  pen.arc(0, 0, 3.4 * dpr, 0, Math.PI * 2)
  pen.fill()
}

function drawArrow(
  pen: CanvasRenderingContext2D,
  dpr: number,
  paint: Paint & Readonly<{ angle: number }>,
): void {
  drawGlow(pen, 16 * dpr, paint)
  pen.rotate(paint.angle)
  pen.beginPath()
  pen.moveTo(0, -9 * dpr)
  pen.lineTo(6.4 * dpr, 7.2 * dpr)
  pen.quadraticCurveTo(0, 3 * dpr, -6.4 * dpr, 7.2 * dpr)
  pen.closePath()
  pen.lineJoin = 'round'
  pen.strokeStyle = paint.palette.core
  pen.lineWidth = 3.4 * dpr
  pen.stroke()
  pen.fillStyle = paint.colour
  pen.fill()
}
