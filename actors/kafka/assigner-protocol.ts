import type { GroupMember, PartitionAssigner } from 'kafkajs'

import { type Assignment, assignSticky, type Member } from './assigner.ts'

/** Members of one group must all have this one; another name for another rule. */
const NAME = 'orrery-sticky-1'

/** What a member says of itself when it joins. */
type Claim = Omit<Member, 'memberId'>

/** The assigner as kafkajs wants it: what a member has at work travels with its wish to join. */
export function stickyAssigner(
  { AssignerProtocol }: Pick<typeof import('kafkajs'), 'AssignerProtocol'>,
  member: Readonly<{ joining: () => void; owned: () => Claim }>,
): PartitionAssigner {
  const { MemberMetadata, MemberAssignment } = AssignerProtocol
  const version = 0
  const memberOf = ({ memberId, memberMetadata }: GroupMember): Member => ({
    memberId,
    ...claimOf(MemberMetadata.decode(memberMetadata)?.userData),
  })
  return ({ cluster }) => ({
    name: NAME,
    version,
    async assign({ members, topics }) {
      const partitions: Assignment = {}
      for (const topic of topics) {
        partitions[topic] = cluster
          .findTopicPartitionMetadata(topic)
          .map(({ partitionId }) => partitionId)
      }
      return [...assignSticky(members.map(memberOf), partitions)].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version,
          assignment,
          userData: Buffer.alloc(0),
        }),
      }))
    },
    protocol({ topics }) {
      member.joining()
      const userData = Buffer.from(JSON.stringify(member.owned()))
      return { name: NAME, metadata: MemberMetadata.encode({ version, topics, userData }) }
    },
  })
}

/** What another member said; one that cannot be read has nothing. */
function claimOf(userData: Buffer | undefined): Claim {
  try {
    const claim = JSON.parse(userData?.toString() ?? '') as Partial<Claim>
    return { generation: Number(claim.generation), owned: claim.owned ?? {} }
  } catch {
    return { generation: -1, owned: {} }
  }
}
