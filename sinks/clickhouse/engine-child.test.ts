import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CHILD = join(import.meta.dir, 'engine-child.ts')
let folder: string
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'orrery-child-')))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const spawn = (what: string) =>
  Bun.spawn([process.execPath, CHILD, what, folder], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'ignore',
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
  })
const linesOf = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
const numbersOf = (value: unknown): number[] => Object.values(Object(value)).map(Number)
const run = async (what: string): Promise<unknown[]> =>
  linesOf(await new Response(spawn(what).stdout).text())

describe('bronze', () => {
  test('is a view at the newest snapshot, which reads files that a person’s statement may not', async () => {
    await run('iceberg')
    const columns = [
      'device_id\tString',
      'current_lat\tNullable(Float64)',
      'timestamp\tDateTime64(6',
      'event_date\tDate32',
    ]
    const [none, made, again, sums, day, gap, described, shown, direct, ...trips] =
      await run('view')
    expect([none, made, again]).toEqual([false, true, true])
    expect(sums).toBe('3000\t1124623.75\t2026-11-21 00:00:00.000000\n')
    expect(day).toBe('1440\n')
    expect(gap).toBe('5\n')
    for (const column of columns) expect(described).toContain(column)
    expect(shown).toBe('raw_delivery_data\n')
    expect(direct).toContain('icebergLocal is not allowed')
    expect(trips).toEqual([false, true, '3000\n', 'raw_delivery_data\ntrips\n'])
    await rm(join(folder, 'maker'), { recursive: true })
    await rm(join(folder, 'bronze'), { recursive: true })
    await run('iceberg twice')
    expect((await run('view'))[3]).toStartWith('6000\t2249247.5\t')
  })
})

describe('the data folder', () => {
  test('is one process’s; another is told which', async () => {
    const holder = spawn('hold')
    const { value } = await holder.stdout.getReader().read()
    expect(linesOf(Buffer.from(value ?? []).toString())).toEqual(['open'])
    const [refusal] = await run('count')
    expect(refusal).toContain(`process ${holder.pid} uses it`)
    holder.stdin.write('end\n')
    await holder.stdin.end()
    expect(await holder.exited).toBe(0)
  })
})

describe('a killed process', () => {
  test('leaves every acknowledged row, and its successor writes each of the others once', async () => {
    for (const batches of [3, 7, 4]) {
      const child = spawn('write')
      let text = ''
      for await (const chunk of child.stdout) {
        text += Buffer.from(chunk).toString()
        if (text.split('\n').length > batches) break
      }
      child.kill('SIGKILL')
      await child.exited
      const said = linesOf(text.slice(0, text.lastIndexOf('\n') + 1))
      const [acknowledged, movements, deadLetters, trips, windows, late] = await run('count')
      expect(Number(acknowledged)).toBeGreaterThanOrEqual(Number(said.at(-1)))
      const [rows, distinct, last = -1] = numbersOf(movements)
      expect(rows).toBe(last + 1)
      expect(distinct).toBe(last + 1)
      expect(last).toBeGreaterThanOrEqual(Number(acknowledged))
      const [letters, distinctLetters] = numbersOf(deadLetters)
      expect(letters).toBe(distinctLetters ?? -1)
      const [tripRows = 0, distinctTrips] = numbersOf(trips)
      expect(tripRows).toBeGreaterThan(0)
      expect(tripRows).toBe(distinctTrips ?? -1)
      // Four windows of each offset that has a trip.
      expect(numbersOf(windows)[0]).toBe(4 * (numbersOf(windows)[1] ?? 0))
      const [marks = 0, distinctMarks] = numbersOf(late)
      expect(marks).toBeGreaterThan(0)
      expect(marks).toBe(distinctMarks ?? -1)
    }
  }, 30_000)
})
