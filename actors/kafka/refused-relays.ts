import type { RelayStamp } from '../model/offer.ts'

/** Edges of which it is remembered what was refused; beyond it the one refused longest ago is forgotten. */
const REFUSED_MAX = 10_000

/**
 * What edge gateways were refused and have not sent again. An edge that has several offers on their way may be refused
 * one and not the next; were the next one stored, the first would be taken for its repeat and dropped.
 */
export class RefusedRelays {
  /** The sequence before the first message that was refused. */
  readonly #refusedAfter = new Map<string, number>()

  /** Does an offer of so many begin no later than the first that was refused? Then it goes on from there. */
  isNext(relay: RelayStamp, count: number): boolean {
    const after = this.#refusedAfter.get(relay.sender)
    if (after === undefined) return true
    if (relay.sequence - count > after) return false
    // All of it may be repeats of what was stored before.
    if (relay.sequence > after) this.#refusedAfter.delete(relay.sender)
    return true
  }

  refused(relay: RelayStamp, count: number): void {
    const after = relay.sequence - count
    const known = this.#refusedAfter.get(relay.sender)
    if (known !== undefined && known <= after) return
    this.#refusedAfter.delete(relay.sender)
    this.#refusedAfter.set(relay.sender, after)
    if (this.#refusedAfter.size <= REFUSED_MAX) return
    const [oldest] = this.#refusedAfter.keys()
    if (oldest !== undefined) this.#refusedAfter.delete(oldest)
  }
}
