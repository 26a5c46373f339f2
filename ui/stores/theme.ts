import { signal } from '@preact/signals'

export type Theme = 'dark' | 'light'

/** The theme on screen. */
export const theme = signal<Theme>('dark')

/** Takes the theme from the page, and follows the system until the reader chooses. */
export function keepTheme(): void {
  const system = matchMedia('(prefers-color-scheme: light)')
  const read = (): void => {
    const chosen = document.documentElement.dataset.theme
    const light = chosen ? chosen === 'light' : system.matches
    theme.value = light ? 'light' : 'dark'
  }
  read()
  system.addEventListener('change', read)
}

/** Changes to the other theme and remembers it for a year. */
export function toggleTheme(): void {
  const next: Theme = theme.value === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = next
  document.cookie = `orrery_theme=${next}; path=/; max-age=31536000; samesite=lax`
  theme.value = next
}
