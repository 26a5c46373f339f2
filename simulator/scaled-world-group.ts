import type { GroupMember, PartitionAssigner } from 'kafkajs'

import type { VirtualClock } from '../actors/kernel/clock.ts'
import { SESSION_MS } from './scaled-world-plan.ts'
import type { Chronicle } from './world-gate.ts'

/** What the coordinator says no with; kafkajs goes by the type. */
export class GroupError extends Error {
  readonly type: 'UNKNOWN_MEMBER_ID' | 'REBALANCE_IN_PROGRESS' | 'ILLEGAL_GENERATION'

  constructor(type: GroupError['type']) {
    super(type)
    this.type = type
  }
}

type Assigner = ReturnType<PartitionAssigner>

/** What a member got. */
export type Joined = Readonly<{ memberId: string; generation: number; partitions: number[] }>

type Member = {
  readonly id: string
  assigner: Assigner
  metadata: Buffer
  heardMs: number
  /** Waits for the others; null while it is at work. */
  joining: PromiseWithResolvers<Joined> | null
}

/** How long the group waits for members that are at work to come again: as `Assignments` asks for. */
const REBALANCE_MS = 2 * SESSION_MS
const LOOK_MS = 250

/** The group's coordinator: who has which partitions, and who was not heard of for too long. */
export class SimGroup {
  generation = 0
  readonly #clock: VirtualClock
  readonly #chronicle: Chronicle
  readonly #topic: string
  readonly #partitions: number
  readonly #members = new Map<string, Member>()
  #ids = 0
  /** Since when the group meets anew; null while everybody is at work. */
  #meetingMs: number | null = null

  constructor(
    about: Readonly<{
      clock: VirtualClock
      chronicle: Chronicle
      topic: string
      partitions: number
    }>,
  ) {
    this.#clock = about.clock
    this.#chronicle = about.chronicle
    this.#topic = about.topic
    this.#partitions = about.partitions
    this.#look()
  }

  get size(): number {
    return this.#members.size
  }

  /** Resolves when all have met; a member that is not known is to come as a new one. */
  join(memberId: string | null, assigner: Assigner, metadata: Buffer): Promise<Joined> {
    const known = memberId === null ? null : this.#members.get(memberId)
    if (known === undefined) return Promise.reject(new GroupError('UNKNOWN_MEMBER_ID'))
    const id = known?.id ?? `member-${this.#ids++}`
    const joining = Promise.withResolvers<Joined>()
    // A request that was given up and came all the same: only the newest is answered.
    known?.joining?.reject(new GroupError('REBALANCE_IN_PROGRESS'))
    joining.promise.catch(() => {})
    const heardMs = this.#clock.monotonicMs()
    this.#members.set(id, { id, assigner, metadata, heardMs, joining })
    this.#meetingMs ??= heardMs
    this.#meet()
    return joining.promise
  }

  heartbeat(memberId: string, generation: number): void {
    const member = this.#members.get(memberId)
    if (!member) throw new GroupError('UNKNOWN_MEMBER_ID')
    member.heardMs = this.#clock.monotonicMs()
    if (this.#meetingMs !== null) throw new GroupError('REBALANCE_IN_PROGRESS')
    if (generation !== this.generation) throw new GroupError('ILLEGAL_GENERATION')
  }

  leave(memberId: string): void {
    if (this.#members.delete(memberId)) this.#changed()
  }

  #changed(): void {
    this.#meetingMs ??= this.#clock.monotonicMs()
    this.#meet()
  }

  /** Who was not heard of is out; who does not come to a meeting is out too. */
  #look(): void {
    this.#clock.after(LOOK_MS, () => {
      const nowMs = this.#clock.monotonicMs()
      const isOver = this.#meetingMs !== null && nowMs - this.#meetingMs > REBALANCE_MS
      for (const { id, heardMs, joining } of this.#members.values()) {
        // Who waits here has a connection open.
        const isLost = !joining && (nowMs - heardMs > SESSION_MS || isOver)
        if (!isLost) continue
        this.#chronicle.note('member lost', id)
        this.#members.delete(id)
        this.#meetingMs ??= nowMs
      }
      this.#meet()
      this.#look()
    })
  }

  #meet(): void {
    const members = [...this.#members.values()]
    const leader = members[0]
    if (this.#meetingMs === null || !members.every(({ joining }) => joining)) return
    this.#meetingMs = null
    this.generation++
    if (!leader) return
    const group = members.map(({ id, metadata }): GroupMember => ({
      memberId: id,
      memberMetadata: metadata,
    }))
    const answers = members.map((member) => ({ member, answer: member.joining }))
    for (const member of members) {
      member.joining = null
      member.heardMs = this.#clock.monotonicMs()
    }
    const { generation } = this
    void leader.assigner.assign({ members: group, topics: [this.#topic] }).then((given) => {
      const shares = new Map(
        given.map(({ memberId, memberAssignment }) => [memberId, memberAssignment]),
      )
      for (const { member, answer } of answers) {
        const share = JSON.parse(String(shares.get(member.id) ?? '{}')) as Share
        const partitions = share.assignment?.[this.#topic] ?? []
        this.#chronicle.note('assigned', `${member.id}: ${partitions.join(' ')}`)
        answer?.resolve({ memberId: member.id, generation, partitions })
      }
    })
  }

  /** What the assigner asks of a cluster. */
  get cluster(): Readonly<{
    findTopicPartitionMetadata(topic: string): { partitionId: number }[]
  }> {
    const partitions = Array.from({ length: this.#partitions }, (_, partitionId) => ({
      partitionId,
    }))
    return { findTopicPartitionMetadata: () => partitions }
  }
}

type Share = { assignment?: Record<string, number[]> }

/** kafkajs' own way to write these, as JSON: nobody else reads them here. */
export const PROTOCOL = {
  MemberMetadata: {
    encode: (value: unknown): Buffer => Buffer.from(JSON.stringify(value)),
    decode(bytes: Buffer): unknown {
      const value = JSON.parse(String(bytes)) as { userData: { data: number[] } }
      return { ...value, userData: Buffer.from(value.userData.data) }
    },
  },
  MemberAssignment: {
    encode: (value: unknown): Buffer => Buffer.from(JSON.stringify(value)),
    decode: (bytes: Buffer): unknown => JSON.parse(String(bytes)),
  },
}
