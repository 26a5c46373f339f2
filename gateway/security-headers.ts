const COMMON: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}

/** The policy of everything that is no page. */
const NO_PAGE_POLICY = "default-src 'none'; frame-ancestors 'none'"

/** Sets what every answer carries, unless the answer has set it itself. */
export function secure(headers: Headers): void {
  for (const [name, value] of Object.entries(COMMON)) {
    if (!headers.has(name)) headers.set(name, value)
  }
  if (!headers.has('content-security-policy')) {
    headers.set('content-security-policy', NO_PAGE_POLICY)
  }
}

/** A page's policy: own files only, the nonce's inline styles and scripts, and the tiles' host. */
export function pagePolicy(nonce: string, tilesUrl: string | null): string {
  const tiles = tilesUrl === null ? '' : tilesSource(tilesUrl)
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "font-src 'self'",
    "connect-src 'self'",
    `img-src 'self' data:${tiles}`,
    "manifest-src 'self'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** `https://{s}.tile.example/{z}/…` allows `https://*.tile.example`; anything unreadable allows nothing. */
function tilesSource(template: string): string {
  const found = /^(https?):\/\/(?:\{s\}(\.))?([0-9A-Za-z.-]+(?::\d+)?)(?:\/|$)/.exec(template)
  if (!found) return ''
  const [, scheme, dot, host] = found
  return ` ${scheme}://${dot ? '*.' : ''}${host}`
}
