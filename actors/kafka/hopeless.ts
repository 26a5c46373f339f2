const HOPELESS = /NotImplemented|SASL|AUTHORIZATION_FAILED|UNSUPPORTED|INVALID_GROUP/

/** A codec that is not there, or a right that was not given: no time will mend it. */
export function isHopeless(error: Error): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; depth++) {
    const type: unknown = Reflect.get(at, 'type')
    if (HOPELESS.test(`${at.name} ${typeof type === 'string' ? type : ''}`)) return true
    at = at.cause
  }
  return false
}
