/** Runs before the first paint: the theme that the reader chose, so that no other one flashes up. */
const chosen = /(?:^|; )orrery_theme=(dark|light)/.exec(document.cookie)?.[1]
if (chosen) document.documentElement.dataset.theme = chosen
