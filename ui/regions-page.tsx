/** @jsxImportSource preact */
import { Island } from './island.tsx'
import { RegionsBar } from './islands/regions-bar.tsx'
import { RegionsHeadline } from './islands/regions-headline.tsx'
import { RegionsHelp } from './islands/regions-help.tsx'
import { RegionsMap } from './islands/regions-map.tsx'
import { RegionsRanking } from './islands/regions-ranking.tsx'
import { RegionsTimeline } from './islands/regions-timeline.tsx'
import { Bar, type PageFiles, type PageProps, Shell, write } from './page.tsx'

/** HTML of the regions page. */
export function regionsDocument(
  files: PageFiles,
  props: Pick<PageProps, 'theme' | 'tilesUrl' | 'tilesAttribution'>,
): string {
  const tiles = { tilesUrl: props.tilesUrl, tilesAttribution: props.tilesAttribution }
  return write(
    <Shell files={files} theme={props.theme} title="Orrery · regions" scripts>
      <a class="skip" href="#search">
        Skip to the ranking
      </a>
      <div class="app regions-app">
        <Bar at="regions">
          <Island name="regions-bar" class="bar-island">
            <RegionsBar />
          </Island>
        </Bar>
        <Island name="regions-headline" class="headline-island">
          <RegionsHeadline />
        </Island>
        <aside class="panel" aria-label="Ranking">
          <Island name="regions-ranking" class="ranking-island">
            <RegionsRanking />
          </Island>
        </aside>
        <main class="stage">
          <Island name="regions-map" class="map-island" props={tiles}>
            <RegionsMap {...tiles} />
          </Island>
          <Island name="regions-notice" class="notice-island" />
          <noscript>
            <p class="notice">The regions need JavaScript.</p>
          </noscript>
        </main>
        <Island name="regions-timeline" class="history-island">
          <RegionsTimeline />
        </Island>
      </div>
      <Island name="regions-help">
        <RegionsHelp />
      </Island>
    </Shell>,
  )
}
