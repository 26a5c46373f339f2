/** The small islands travel together: one file to fetch instead of seven. */
export { Help } from './help.tsx'
export { KpiBar } from './kpi-bar.tsx'
export { Notice } from './notice.tsx'
export { SessionCard } from './session-card.tsx'
export { SessionTable } from './session-table.tsx'
export { Ticker } from './ticker.tsx'
export { TopBar } from './top-bar.tsx'
