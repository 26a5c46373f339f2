import { isUnknownScript, RedisLink, type RedisLinkOptions } from '../windows/redis-link.ts'
import type { RedisScript } from '../windows/redis-scripts.ts'

/** A connection that scripts run on; several writers and readers may share one. */
export class LiveLink {
  readonly #link: RedisLink

  constructor(options: RedisLinkOptions) {
    this.#link = new RedisLink(options)
  }

  /** Resolves to the server's answer. Throws SinkError; unless the server said so, the outcome is unknown. */
  send(command: string, args: readonly string[]): Promise<unknown> {
    return this.#link.send(command, args)
  }

  /** As `send`, for a script: by its name, and with its text where the server has forgotten it. */
  async run(
    { text, sha }: RedisScript,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    try {
      return await this.send('EVALSHA', [sha, ...rest])
    } catch (thrown) {
      if (!isUnknownScript(thrown)) throw thrown
      return this.send('EVAL', [text, ...rest])
    }
  }

  close(): void {
    this.#link.close()
  }
}
