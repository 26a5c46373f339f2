/** A member of the group, and the partitions that it has at work. */
export type Member = Readonly<{
  memberId: string
  /** Generation of the group in which it got them: the newer claim is the true one. */
  generation: number
  owned: Readonly<Record<string, readonly number[]>>
}>

/** Partitions of each topic. */
export type Assignment = Record<string, number[]>

/**
 * Who gets which partitions: each member about as many of every topic, and what somebody has at work stays with him.
 * A partition that moves is replayed from its checkpoint elsewhere; the others shall not notice.
 */
export function assignSticky(
  members: readonly Member[],
  topics: Readonly<Record<string, readonly number[]>>,
): Map<string, Assignment> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const result = new Map<string, Assignment>(sorted.map(({ memberId }) => [memberId, {}]))
  const load = new Map<string, number>(sorted.map(({ memberId }) => [memberId, 0]))
  for (const topic of Object.keys(topics).sort()) {
    const partitions = topics[topic] ?? []
    const shares = sharesOf(sorted, topic, partitions, load)
    for (const [memberId, share] of shares) {
      if (share.length === 0) continue
      const own = result.get(memberId)
      if (own) own[topic] = share.sort((a, b) => a - b)
      load.set(memberId, (load.get(memberId) ?? 0) + share.length)
    }
  }
  return result
}

function sharesOf(
  members: readonly Member[],
  topic: string,
  partitions: readonly number[],
  load: ReadonlyMap<string, number>,
): Map<string, number[]> {
  const owners = ownersOf(members, topic)
  const held = new Map<string, number[]>(members.map(({ memberId }) => [memberId, []]))
  for (const partition of partitions) held.get(owners.get(partition) ?? '')?.push(partition)
  const least = Math.floor(partitions.length / members.length)
  let more = partitions.length % members.length
  // One more than the others goes to who has them, and then to who has least of the other topics.
  const order = [...members].sort(
    (a, b) =>
      (held.get(b.memberId)?.length ?? 0) - (held.get(a.memberId)?.length ?? 0) ||
      (load.get(a.memberId) ?? 0) - (load.get(b.memberId) ?? 0),
  )
  const kept = new Set<number>()
  const quotas = new Map<string, number>()
  for (const { memberId } of order) {
    const quota = least + (more > 0 ? 1 : 0)
    more--
    quotas.set(memberId, quota)
    const stay = held.get(memberId)?.slice(0, quota) ?? []
    held.set(memberId, stay)
    for (const partition of stay) kept.add(partition)
  }
  const free = partitions.filter((partition) => !kept.has(partition))
  for (const { memberId } of order) {
    const share = held.get(memberId) ?? []
    share.push(...free.splice(0, (quotas.get(memberId) ?? 0) - share.length))
  }
  return held
}

function ownersOf(members: readonly Member[], topic: string): Map<number, string> {
  const owners = new Map<number, string>()
  const generations = new Map<number, number>()
  for (const { memberId, generation, owned } of members) {
    for (const partition of owned[topic] ?? []) {
      if ((generations.get(partition) ?? -Infinity) >= generation) continue
      generations.set(partition, generation)
      owners.set(partition, memberId)
    }
  }
  return owners
}
