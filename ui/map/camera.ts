import type L from 'leaflet'

/** From the world (0 to 1) to the screen: `px = world × scale − origin`. */
export type Camera = Readonly<{ scale: number; originX: number; originY: number; zoom: number }>

type Glide = Readonly<{ from: Camera; to: Camera; startedMs: number }>

const GLIDE_MS = 250

/** Leaflet's camera as numbers, also half way through its zoom animation, which is done by CSS. */
export class CameraTracker {
  readonly #map: L.Map
  #glide: Glide | null = null

  constructor(map: L.Map) {
    this.#map = map
    map.on('zoomanim', (event: L.ZoomAnimEvent) => {
      const size = map.getSize().divideBy(2)
      const origin = map.project(event.center, event.zoom).subtract(size)
      const to = cameraOf(event.zoom, origin)
      this.#glide = { from: this.#still(), to, startedMs: performance.now() }
    })
    map.on('zoomend', () => {
      this.#glide = null
    })
  }

  /** True while the map moves by itself or under a hand. */
  get gliding(): boolean {
    return this.#glide !== null
  }

  now(nowMs: number): Camera {
    const glide = this.#glide
    if (!glide) return this.#still()
    const part = ease(Math.min(1, (nowMs - glide.startedMs) / GLIDE_MS))
    const mix = (from: number, to: number): number => from + (to - from) * part
    return {
      scale: mix(glide.from.scale, glide.to.scale),
      originX: mix(glide.from.originX, glide.to.originX),
      originY: mix(glide.from.originY, glide.to.originY),
      zoom: mix(glide.from.zoom, glide.to.zoom),
    }
  }

  #still(): Camera {
    const { min } = this.#map.getPixelBounds()
    return cameraOf(this.#map.getZoom(), min ?? { x: 0, y: 0 })
  }
}

function cameraOf(zoom: number, origin: Readonly<{ x: number; y: number }>): Camera {
  return { scale: 256 * 2 ** zoom, originX: origin.x, originY: origin.y, zoom }
}

/** cubic-bezier(0, 0, 0.25, 1), which Leaflet's style sheet has. */
function ease(x: number): number {
  let t = x
  for (let step = 0; step < 5; step += 1) {
    const at = 0.75 * t * t * (1 - t) + t * t * t
    const slope = 1.5 * t * (1 - t) - 0.75 * t * t + 3 * t * t
    if (slope < 1e-4) break
    t = Math.min(1, Math.max(0, t - (at - x) / slope))
  }
  return 3 * t * t * (1 - t) + t * t * t
}
