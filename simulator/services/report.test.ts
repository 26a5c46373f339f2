import { describe, expect, test } from 'bun:test'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import { javaVersion } from './java.ts'
import { installReport, statusText } from './report.ts'

async function reported(terminal: boolean): Promise<string[]> {
  const clock = new VirtualClock()
  const lines: string[] = []
  const report = installReport(clock, terminal, (text) => lines.push(text))
  report.begin('kafka', 44, 40e6)
  for (let second = 1; second <= 20; second++) {
    await clock.advanceMs(1_000)
    report.progress('kafka', second * 2e6, 40e6)
  }
  report.end('kafka', 40e6, 20_000)
  return lines
}

describe('a download', () => {
  test('is told of by a line now and then where nobody watches', async () => {
    expect(await reported(false)).toEqual([
      'kafka: fetching 44 files, 40.0 MB\n',
      'kafka: 50 %, 20.0 MB of 40.0 MB, 2.0 MB/s\n',
      'kafka: 100 %, 40.0 MB of 40.0 MB, 2.0 MB/s\n',
      'kafka: 40.0 MB in 20.0 s\n',
    ])
  })

  test('is told of by a line that changes on a terminal', async () => {
    const lines = await reported(true)
    expect(lines).toHaveLength(22)
    expect(lines[1]).toBe('\r\u001b[Kkafka: 5 %, 2.0 MB of 40.0 MB, 2.0 MB/s')
  })
})

describe('a status', () => {
  const common = { service: 'kafka', port: 9092, logFile: '/d/kafka/log' } as const

  test('says where it runs, what it lacks, or that it does not run', () => {
    const lines = statusText([
      { ...common, pid: 7, missing: null },
      { ...common, pid: null, missing: 'not fetched yet' },
      { ...common, pid: null, missing: null },
    ])
    expect(lines.split('\n')).toEqual([
      'kafka    runs on port 9092 (pid 7, log /d/kafka/log)',
      'kafka    not fetched yet',
      'kafka    does not run',
    ])
  })
})

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['java version "1.8.0_452"', 8],
  ['openjdk version "25" 2025-09-16', 25],
  ['no such thing', null],
])('the version in: %s', (said, version) => {
  expect(javaVersion(said)).toBe(version)
})
