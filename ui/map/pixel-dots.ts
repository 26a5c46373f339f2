/**
 * Thousands of dots written straight into pixels: no canvas call for each vehicle. A dot is a small
 * disc with soft edges, the same for all.
 */
export class PixelDots {
  #image: ImageData | null = null
  #pixels = new Uint32Array(0)
  #mask: readonly Readonly<{ dx: number; dy: number; cover: number }>[] = []
  #radiusPx = 0

  /** Starts an empty picture of this size. */
  begin(width: number, height: number, radiusPx: number): void {
    if (this.#image?.width !== width || this.#image.height !== height) {
      this.#image = new ImageData(width, height)
      this.#pixels = new Uint32Array(this.#image.data.buffer)
    } else {
      this.#pixels.fill(0)
    }
    if (radiusPx !== this.#radiusPx) {
      this.#radiusPx = radiusPx
      this.#mask = discMask(radiusPx)
    }
  }

  /** `rgb` as 0xBBGGRR; `opacity` 0 to 1. */
  dot(x: number, y: number, rgb: number, opacity: number): void {
    const image = this.#image
    if (!image) return
    const { width, height } = image
    const [cx, cy] = [Math.round(x), Math.round(y)]
    for (const { dx, dy, cover } of this.#mask) {
      const px = cx + dx
      const py = cy + dy
      if (px < 0 || py < 0 || px >= width || py >= height) continue
      const index = py * width + px
      const alpha = (cover * opacity * 255) | 0
      // The more opaque of two dots stands: blending would cost more than it shows.
      if (alpha >= (this.#pixels[index] ?? 0) >>> 24) {
        this.#pixels[index] = ((alpha << 24) | rgb) >>> 0
      }
    }
  }

  /** Puts the picture onto the canvas, which it overwrites. */
  end(pen: CanvasRenderingContext2D): void {
    if (this.#image) pen.putImageData(this.#image, 0, 0)
  }
}

/** `#rrggbb` as the number that `dot` takes, on a machine with the low byte first. */
export function pixelColour(colour: string): number {
  const rgb = Number.parseInt(colour.slice(1), 16)
  return ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)
}

function discMask(radiusPx: number): { dx: number; dy: number; cover: number }[] {
  const mask: { dx: number; dy: number; cover: number }[] = []
  const reach = Math.ceil(radiusPx + 1)
  for (let dy = -reach; dy <= reach; dy += 1) {
    for (let dx = -reach; dx <= reach; dx += 1) {
      const cover = Math.min(1, Math.max(0, radiusPx + 0.5 - Math.hypot(dx, dy)))
      if (cover > 0.05) mask.push({ dx, dy, cover })
    }
  }
  return mask
}
