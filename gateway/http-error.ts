/** A refusal over HTTP: every one says in words what is wrong. */
export function errorResponse(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json({ error: { code, message } }, { status, headers })
}

/** `Retry-After` in whole seconds, at least one. */
export function retryAfter(retryAfterMs: number): Readonly<Record<string, string>> {
  return { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) }
}

/** The answer to a missing or wrong ingest key. */
export function keyRefused(key: string | null): Response {
  const message =
    key === null
      ? 'an ingest key is needed: Authorization: Bearer KEY, or X-API-Key: KEY'
      : 'the ingest key is not valid'
  return errorResponse(401, 'unauthorized', message, { 'www-authenticate': 'Bearer' })
}

/** The address is right and the method is not. */
export function notAllowed(allow: string): Response {
  return errorResponse(405, 'method_not_allowed', `this address takes ${allow}`, { allow })
}
