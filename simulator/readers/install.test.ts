import { describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import { missingReader, READER_FOLDERS } from '../../actors/testing/services.ts'
import { parseJars } from '../services/jars.ts'
import { bytesSaid, installReader, pythonProblem } from './install.ts'

const listed = (name: string): string => readFileSync(join(import.meta.dir, name), 'utf8')

describe('what readers are made of', () => {
  test.each(['readers.txt', 'spark.txt'])('%s: each version is pinned, none twice', (name) => {
    const lines = listed(name).trimEnd().split('\n')
    for (const line of lines) expect(line).toMatch(/^[\w.-]+==[\w.]+$/)
    expect(new Set(lines.map((line) => line.split('==')[0])).size).toBe(lines.length)
  })

  test('the folders are named by their versions', () => {
    const packages = `${listed('readers.txt')}${listed('spark.txt')}`
    const [, pyiceberg, duckdb] = /^pyiceberg-(.+)-duckdb-(.+)$/.exec(READER_FOLDERS.duckdb) ?? []
    expect(packages).toContain(`\npyiceberg==${pyiceberg}\n`)
    // An extension of another version is not loaded.
    for (const name of ['duckdb', 'duckdb_extension_iceberg', 'duckdb_extension_httpfs']) {
      expect(packages).toContain(`\n${name}==${duckdb}\n`)
    }
    const [, spark, iceberg] = /^spark-(.+)-iceberg-(.+)$/.exec(READER_FOLDERS.spark) ?? []
    expect(packages).toContain(`\npyspark==${spark}\n`)
    const jars = parseJars(listed('spark.jars'))
    expect(jars.map(({ name }) => name.endsWith(`-${iceberg}.jar`))).toEqual([true, true])
    for (const { sha256 } of jars) expect(sha256).toMatch(/^[0-9a-f]{64}$/)
  })

  test('how much came is read from what pip says', () => {
    expect(bytesSaid('  Downloading duckdb-1.5.5-cp311.whl (20.5 MB)')).toBe(20_500_000)
    expect(bytesSaid('  Using cached click-8.5.1-py3-none-any.whl.metadata (2.6 kB)')).toBe(2_600)
    expect(bytesSaid('  Downloading six-1.17.0-py2.py3-none-any.whl (812 bytes)')).toBe(812)
    expect(bytesSaid('Collecting duckdb==1.5.5 (from -r readers.txt (line 12))')).toBe(0)
  })
})

describe('without Python', () => {
  test('one sentence says how to install it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'orrery-readers-'))
    const env = { PATH: folder, ORRERY_SERVICES_DIR: folder }
    expect(pythonProblem(env)).toContain('apt-get install --no-install-recommends python3')
    const report = { begin() {}, progress() {}, end() {}, waiting() {} }
    const options = { folder, repository: '', clock: new VirtualClock(), report, env }
    const error = await installReader('duckdb', options).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'python_missing' })
    expect(missingReader('duckdb', env)).toContain('bun run services install readers')
    expect(missingReader('spark', env)).toContain('bun run services install spark')
    rmSync(folder, { recursive: true })
  })
})
