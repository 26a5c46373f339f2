import type { LiveStatus } from '../../actors/model/live.ts'
import { STATUS_ORDER } from './format.ts'

/** Everything of a view that its address holds. */
export type View = Readonly<{
  camera: Readonly<{ zoom: number; lat: number; lng: number }> | null
  selected: string | null
  follow: boolean
  query: string
  statuses: readonly LiveStatus[]
}>

/** Writes a view as the address' fragment; empty when there is nothing to say. */
export function formatLink(view: View): string {
  const parts: string[] = []
  if (view.camera) {
    const { zoom, lat, lng } = view.camera
    parts.push(`map=${+zoom.toFixed(2)}/${lat.toFixed(5)}/${lng.toFixed(5)}`)
  }
  if (view.selected !== null) parts.push(`session=${encodeURIComponent(view.selected)}`)
  if (view.selected !== null && view.follow) parts.push('follow=1')
  if (view.query !== '') parts.push(`q=${encodeURIComponent(view.query)}`)
  if (view.statuses.length > 0) parts.push(`status=${view.statuses.join(',')}`)
  return parts.length === 0 ? '' : `#${parts.join('&')}`
}

/** Reads a fragment; what makes no sense is left out. */
export function parseLink(fragment: string): View {
  const values = new Map<string, string>()
  for (const part of fragment.replace(/^#/, '').split('&')) {
    const cut = part.indexOf('=')
    if (cut > 0) values.set(part.slice(0, cut), part.slice(cut + 1))
  }
  const statuses = (values.get('status') ?? '').split(',')
  return {
    camera: parseCamera(values.get('map') ?? ''),
    selected: decode(values.get('session')) || null,
    follow: values.get('follow') === '1',
    query: decode(values.get('q')).slice(0, 200),
    statuses: STATUS_ORDER.filter((status) => statuses.includes(status)),
  }
}

function parseCamera(text: string): View['camera'] {
  const parts = text.split('/')
  const [zoom = NaN, lat = NaN, lng = NaN] = parts.map(Number)
  const sane =
    parts.length === 3 && zoom >= 1 && zoom <= 20 && Math.abs(lat) <= 85 && Math.abs(lng) <= 180
  return sane ? { zoom, lat, lng } : null
}

function decode(text: string | undefined): string {
  try {
    return decodeURIComponent(text ?? '')
  } catch {
    return ''
  }
}
