import { type ComponentType, h, hydrate } from 'preact'

/** Where an island's code is. */
export type Load = () => Promise<ComponentType<Record<string, unknown>>>

/** Props come from the page's own JSON: each island knows what it was given. */
export function loose<Props>(
  component: (props: Props) => unknown,
): ComponentType<Record<string, unknown>> {
  return component as unknown as ComponentType<Record<string, unknown>>
}

/** Islands come alive as the server wrote them; only then may anything change under them. */
export async function hydrateAll(islands: Readonly<Record<string, Load>>): Promise<void> {
  const markers = [...document.querySelectorAll<HTMLElement>('[data-island]')]
  await Promise.all(
    markers.map(async (marker) => {
      const { island = '', props = '{}' } = marker.dataset
      const component = await islands[island]?.()
      if (component) hydrate(h(component, JSON.parse(props)), marker)
    }),
  )
}
