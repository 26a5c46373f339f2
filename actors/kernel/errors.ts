/** An error with a stable code; `retriable` says whether the same call may succeed later. */
export class OrreryError extends Error {
  override readonly name: string = 'OrreryError'
  readonly code: string
  readonly retriable: boolean

  constructor(
    code: string,
    message: string,
    options: { retriable?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retriable = options.retriable ?? false
  }
}

/** Stops the actor or sink whose invariant does not hold; never the process. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new OrreryError('invariant', message)
}

/** Makes a switch over a closed union fail to type-check when a member is added. */
export function assertNever(value: never): never {
  throw new OrreryError('invariant', `unexpected value: ${JSON.stringify(value)}`)
}

/** The text of anything thrown, for logs and answers. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
