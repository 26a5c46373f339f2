import { FADE_MS, type Fleet, type Vehicle } from '../stores/fleet.ts'
import { shortId } from '../stores/format.ts'
import { headingOf, mercatorX, mercatorY, progressOf } from '../stores/motion.ts'
import type { TrailMark } from '../stores/trail.ts'
import type { Camera } from './camera.ts'
import { paintChip, paintRing, paintRoute, paintTrail } from './paint-selection.ts'
import type { Palette } from './palette.ts'
import { pixelColour, PixelDots } from './pixel-dots.ts'
import { makeSprites, type Sprites } from './sprites.ts'

/** What to draw besides the fleet itself. */
export type Scene = Readonly<{
  selected: Vehicle | null
  hovered: Vehicle | null
  trail: readonly TrailMark[]
  passes: (vehicle: Vehicle) => boolean
  /** What the card covers at the right. */
  coveredPx: number
}>

/** Above this many in view a dot is written into pixels, not drawn. */
const DRAWN_MAX = 4_000
/** From this zoom on an arrow shows the heading. */
const ARROW_ZOOM = 13.5
/** Below this zoom dots are small. */
const SPECK_ZOOM = 11.5
/** Above this many in view, dots are small and sit on whole pixels, which is cheaper. */
const SMOOTH_MAX = 900

/** The whole fleet on one canvas over the map, drawn anew for each frame. */
export class FleetLayer {
  readonly canvas = document.createElement('canvas')
  readonly #pen: CanvasRenderingContext2D | null
  readonly #fleet: Fleet
  readonly #pixels = new PixelDots()
  readonly #inView: Vehicle[] = []
  #xs = new Float32Array(1_024)
  #ys = new Float32Array(1_024)
  #palette: Palette
  #sprites: Sprites
  #lean: Sprites
  #dpr = 1
  #widthPx = 0
  #heightPx = 0
  #crowded = false

  constructor(fleet: Fleet, palette: Palette) {
    this.#fleet = fleet
    this.#palette = palette
    this.canvas.className = 'fleet-canvas'
    this.canvas.setAttribute('aria-hidden', 'true')
    this.#pen = this.canvas.getContext('2d')
    this.#sprites = makeSprites(palette, 1, true)
    this.#lean = makeSprites(palette, 1, false)
  }

  /** How many vehicles the last frame showed. */
  get shown(): number {
    return this.#inView.length
  }

  setPalette(palette: Palette): void {
    this.#palette = palette
    this.#makeSprites()
  }

  resize(widthPx: number, heightPx: number): void {
    this.#widthPx = widthPx
    this.#heightPx = heightPx
    const dpr = Math.min(2, Math.max(1, window.devicePixelRatio || 1))
    this.#setDensity(this.#crowded ? 1 : dpr)
  }

  /** A crowd is written at one pixel a point: four times as many would halve the frames. */
  #setDensity(dpr: number): void {
    if (dpr !== this.#dpr) {
      this.#dpr = dpr
      this.#makeSprites()
    }
    this.canvas.width = Math.round(this.#widthPx * dpr)
    this.canvas.height = Math.round(this.#heightPx * dpr)
  }

  #makeSprites(): void {
    this.#sprites = makeSprites(this.#palette, this.#dpr, true)
    this.#lean = makeSprites(this.#palette, this.#dpr, false)
  }

  /** Draws one frame. */
  draw(nowMs: number, camera: Camera, scene: Scene): void {
    const pen = this.#pen
    if (!pen) return
    this.#cull(nowMs, camera, scene.passes)
    const limit = this.#crowded ? DRAWN_MAX * 0.85 : DRAWN_MAX
    if (this.#crowded !== this.#inView.length > limit) {
      this.#crowded = !this.#crowded
      this.resize(this.#widthPx, this.#heightPx)
      this.#cull(nowMs, camera, scene.passes)
    }
    pen.setTransform(1, 0, 0, 1, 0, 0)
    if (this.#crowded) {
      this.#drawPixels(pen, nowMs)
    } else {
      pen.clearRect(0, 0, this.canvas.width, this.canvas.height)
    }
    pen.setTransform(this.#dpr, 0, 0, this.#dpr, 0, 0)
    const { selected } = scene
    if (selected) this.#drawSelection(pen, nowMs, camera, selected, scene.trail)
    pen.setTransform(1, 0, 0, 1, 0, 0)
    if (!this.#crowded) this.#drawSprites(pen, nowMs, camera)
    pen.setTransform(this.#dpr, 0, 0, this.#dpr, 0, 0)
    this.#drawSigns(pen, nowMs, camera, scene)
  }

  /** The vehicle nearest to a place on the screen, within a tolerance. */
  pick(x: number, y: number, tolerancePx: number): Vehicle | null {
    let best: Vehicle | null = null
    let bestPx = tolerancePx
    this.#inView.forEach((vehicle, index) => {
      const dx = (this.#xs[index] ?? 0) / this.#dpr - x
      const dy = (this.#ys[index] ?? 0) / this.#dpr - y
      const distance = Math.hypot(dx, dy)
      if (distance < bestPx && vehicle.leftMs === Infinity) [best, bestPx] = [vehicle, distance]
    })
    return best
  }

  /** Finds who is in view, and where, in device pixels. */
  #cull(nowMs: number, camera: Camera, passes: (vehicle: Vehicle) => boolean): void {
    const scale = camera.scale * this.#dpr
    const left = camera.originX * this.#dpr
    const top = camera.originY * this.#dpr
    const margin = 20 * this.#dpr
    const { width, height } = this.canvas
    this.#inView.length = 0
    const look = (vehicle: Vehicle): void => {
      const { motion } = vehicle
      const part = progressOf(motion, nowMs)
      const x = (motion.fromX + (motion.toX - motion.fromX) * part) * scale - left
      const y = (motion.fromY + (motion.toY - motion.fromY) * part) * scale - top
      if (x < -margin || y < -margin || x > width + margin || y > height + margin) return
      if (!passes(vehicle)) return
      const index = this.#inView.push(vehicle) - 1
      if (index >= this.#xs.length) this.#grow()
      this.#xs[index] = x
      this.#ys[index] = y
    }
    for (const vehicle of this.#fleet.vehicles) look(vehicle)
    for (const vehicle of this.#fleet.leaving) look(vehicle)
  }

  #grow(): void {
    const [xs, ys] = [new Float32Array(this.#xs.length * 2), new Float32Array(this.#xs.length * 2)]
    xs.set(this.#xs)
    ys.set(this.#ys)
    this.#xs = xs
    this.#ys = ys
  }

  #opacity(vehicle: Vehicle, nowMs: number, serverNowMs: number): number {
    if (vehicle.leftMs !== Infinity) return Math.max(0, 1 - (nowMs - vehicle.leftMs) / FADE_MS)
    if (vehicle.status === 'silent') return 0.75
    return this.#fleet.isStale(vehicle, serverNowMs) ? 0.45 : 1
  }

  #drawPixels(pen: CanvasRenderingContext2D, nowMs: number): void {
    const serverNowMs = this.#fleet.serverNowMs()
    const { status } = this.#palette
    const colours = {
      started: pixelColour(status.started),
      en_route: pixelColour(status.en_route),
      completed: pixelColour(status.completed),
      silent: pixelColour(status.silent),
    }
    this.#pixels.begin(this.canvas.width, this.canvas.height, 1.9 * this.#dpr)
    this.#inView.forEach((vehicle, index) => {
      const opacity = this.#opacity(vehicle, nowMs, serverNowMs) * 0.95
      this.#pixels.dot(this.#xs[index] ?? 0, this.#ys[index] ?? 0, colours[vehicle.status], opacity)
    })
    this.#pixels.end(pen)
  }

  #drawSprites(pen: CanvasRenderingContext2D, nowMs: number, camera: Camera): void {
    const serverNowMs = this.#fleet.serverNowMs()
    const arrows = camera.zoom >= ARROW_ZOOM
    const whole = this.#inView.length > SMOOTH_MAX
    const sprites = whole || camera.zoom < SPECK_ZOOM ? this.#lean : this.#sprites
    const side = sprites.sidePx
    let opacityNow = 1
    pen.globalAlpha = 1
    this.#inView.forEach((vehicle, index) => {
      const opacity = this.#opacity(vehicle, nowMs, serverNowMs)
      if (opacity !== opacityNow) pen.globalAlpha = opacityNow = opacity
      let x = (this.#xs[index] ?? 0) - side / 2
      let y = (this.#ys[index] ?? 0) - side / 2
      if (whole) {
        x = Math.round(x)
        y = Math.round(y)
      }
      const heading = arrows ? headingOf(vehicle.motion, nowMs) : -1
      if (heading < 0) pen.drawImage(sprites.dot(vehicle.status), x, y)
      else {
        const from = sprites.arrowAt(heading)
        pen.drawImage(sprites.arrow(vehicle.status), from, 0, side, side, x, y, side, side)
      }
    })
    pen.globalAlpha = 1
  }

  #spot(vehicle: Vehicle, nowMs: number): { x: number; y: number } {
    const { motion } = vehicle
    const part = progressOf(motion, nowMs)
    return {
      x: motion.fromX + (motion.toX - motion.fromX) * part,
      y: motion.fromY + (motion.toY - motion.fromY) * part,
    }
  }

  #drawSelection(
    pen: CanvasRenderingContext2D,
    nowMs: number,
    camera: Camera,
    vehicle: Vehicle,
    trail: readonly TrailMark[],
  ): void {
    const head = this.#spot(vehicle, nowMs)
    paintRoute(pen, camera, this.#palette, {
      start: { x: mercatorX(vehicle.startLng), y: mercatorY(vehicle.startLat) },
      end: { x: mercatorX(vehicle.endLng), y: mercatorY(vehicle.endLat) },
      head,
      colour: this.#palette.status[vehicle.status],
    })
    paintTrail(pen, camera, this.#palette, trail, head)
  }

  #drawSigns(
    pen: CanvasRenderingContext2D,
    nowMs: number,
    camera: Camera,
    { selected, hovered, coveredPx }: Scene,
  ): void {
    const onScreen = (vehicle: Vehicle): { x: number; y: number } => {
      const { x, y } = this.#spot(vehicle, nowMs)
      return { x: x * camera.scale - camera.originX, y: y * camera.scale - camera.originY }
    }
    if (selected) {
      const breath = this.#fleet.smooth ? (nowMs % 1_800) / 1_800 : 1
      paintRing(pen, onScreen(selected), this.#palette.status[selected.status], breath)
    }
    for (const vehicle of new Set([selected, hovered])) {
      if (!vehicle) continue
      paintChip(pen, onScreen(vehicle), this.#palette, {
        title: shortId(vehicle.vehicleId),
        note: `${Math.round(vehicle.speedKmh)} km/h`,
        colour: this.#palette.status[vehicle.status],
        rightPx: this.#widthPx - coveredPx,
      })
    }
  }
}
