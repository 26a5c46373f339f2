import { afterAll, beforeAll, beforeEach, describe, setDefaultTimeout } from 'bun:test'

import { startRedis } from '../actors/testing/servers.ts'
import { skipped } from '../actors/testing/services.ts'
import { describeLiveFeed, describeRegionsFeed } from './live-conformance.ts'
import { embeddedLive, embeddedRegions, remoteRegions, RemoteRig } from './live-rigs.ts'

setDefaultTimeout(30_000)

describeLiveFeed('in one process', embeddedLive)
describeRegionsFeed('in one process', embeddedRegions)

describe.skipIf(skipped(['redis'], process.env))('over Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis({ env: process.env })
  })
  afterAll(() => redis[Symbol.asyncDispose]())
  const flush = async (): Promise<void> => {
    const client = new Bun.RedisClient(redis.url)
    await client.send('FLUSHALL', [])
    client.close()
  }
  beforeEach(flush)

  describeLiveFeed('over Redis', () => new RemoteRig(redis.url).start())
  describeRegionsFeed('over Redis', () => remoteRegions(redis.url))
})
