/** @jsxImportSource preact */
import type { ComponentChildren } from 'preact'

/** Names of the islands; `client.ts` knows where each one's code is. */
export type IslandName = LiveIsland | RegionsIsland

/** Islands of the live map. */
export type LiveIsland =
  | 'top-bar'
  | 'kpi-bar'
  | 'session-table'
  | 'live-map'
  | 'session-card'
  | 'ticker'
  | 'notice'
  | 'help'

/** Islands of the regions page. */
export type RegionsIsland =
  | 'regions-bar'
  | 'regions-headline'
  | 'regions-ranking'
  | 'regions-map'
  | 'regions-timeline'
  | 'regions-notice'
  | 'regions-help'

/** Marks a part of the page that comes alive in the browser. Props are JSON. */
export function Island(props: {
  name: IslandName
  props?: Readonly<Record<string, unknown>>
  class?: string
  children?: ComponentChildren
}) {
  const { name, children } = props
  return (
    <div
      class={props.class ?? ''}
      data-island={name}
      data-props={JSON.stringify(props.props ?? {})}
    >
      {children}
    </div>
  )
}
