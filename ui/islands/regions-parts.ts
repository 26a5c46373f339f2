/** The small islands of the regions page travel together. */
export { RegionsBar } from './regions-bar.tsx'
export { RegionsHeadline } from './regions-headline.tsx'
export { RegionsHelp } from './regions-help.tsx'
export { RegionsNotice } from './regions-notice.tsx'
export { RegionsRanking } from './regions-ranking.tsx'
export { RegionsTimeline } from './regions-timeline.tsx'
