import type { LiveStatus } from '../../actors/model/live.ts'
import type { Theme } from '../stores/theme.ts'

/** What the canvases of one theme are painted with. */
export type Palette = Readonly<{
  land: string
  block: string
  lot: string
  lotEdge: string
  water: string
  depth: string
  shore: string
  park: string
  hill: string
  mountain: string
  contour: string
  casing: string
  roads: Readonly<{ street: string; secondary: string; primary: string; motorway: string }>
  text: string
  textMinor: string
  textWater: string
  textPark: string
  halo: string
  status: Readonly<Record<LiveStatus, string>>
  /** Inside an arrow or a dot. */
  core: string
  glow: number
  chip: string
  chipText: string
  chipEdge: string
  /** Trail from slow to fast. */
  speeds: readonly string[]
}>

const DARK: Palette = {
  land: '#0d1422',
  block: '#101828',
  lot: '#151f34',
  lotEdge: '#1b2740',
  water: '#0a1830',
  depth: '#23507f',
  shore: '#26425f',
  park: '#10281f',
  hill: '#15261f',
  mountain: '#111d20',
  contour: '#24403a',
  casing: '#0a101b',
  roads: { street: '#26344f', secondary: '#314365', primary: '#3f5479', motorway: '#6d5c3c' },
  text: '#b9c7e2',
  textMinor: '#7e8fae',
  textWater: '#4f79a8',
  textPark: '#4f8f70',
  halo: '#0b1120',
  status: { started: '#7db4ff', en_route: '#34e0bd', completed: '#b9a4ff', silent: '#8391ab' },
  core: '#07101d',
  glow: 0.5,
  chip: '#0f192b',
  chipText: '#eef3ff',
  chipEdge: '#3a4d70',
  speeds: ['#ff7a6b', '#ffb454', '#e9dd6a', '#6fe3a1', '#34e0bd'],
}

const LIGHT: Palette = {
  land: '#f3f0ea',
  block: '#ede9e0',
  lot: '#e6e0d5',
  lotEdge: '#dad2c4',
  water: '#bfdaee',
  depth: '#9cc3e2',
  shore: '#97bcd8',
  park: '#cfe6c3',
  hill: '#d9e3c4',
  mountain: '#e1e6d2',
  contour: '#bccaa6',
  casing: '#d9d2c4',
  roads: { street: '#ffffff', secondary: '#ffffff', primary: '#ffe5ae', motorway: '#fbc684' },
  text: '#2f3a4f',
  textMinor: '#5d6880',
  textWater: '#3f78a8',
  textPark: '#3d7a4d',
  halo: '#fbf9f5',
  status: { started: '#1f6feb', en_route: '#00917a', completed: '#7a4fe0', silent: '#667085' },
  core: '#ffffff',
  glow: 0.34,
  chip: '#ffffff',
  chipText: '#101828',
  chipEdge: '#b9c2d3',
  speeds: ['#d92d20', '#dc6803', '#b89200', '#3f9b4f', '#00917a'],
}

/** Colours of a theme. */
export function paletteOf(theme: Theme): Palette {
  return theme === 'dark' ? DARK : LIGHT
}

/** The trail's colour at a speed: five steps up to 60 km/h. */
export function speedStep(speedKmh: number | null): number {
  return Math.max(0, Math.min(4, Math.floor((speedKmh ?? 0) / 12)))
}
