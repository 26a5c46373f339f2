/** @jsxImportSource preact */
import { stream } from '../stores/regions-live.ts'
import { BarTools } from './top-bar.tsx'

/** The bar of the regions page. */
export function RegionsBar() {
  return <BarTools line={stream} />
}
