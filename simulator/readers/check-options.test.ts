import { describe, expect, test } from 'bun:test'

import { CHECK_HELP, parseCheckOptions } from './check-options.ts'

const LAKE = {
  ...{ MINIO_ENDPOINT: 'minio:9000', MINIO_ACCESS_KEY: 'k', MINIO_SECRET_KEY: 's' },
  ...{ ICEBERG_REST_URL: 'http://catalog:8181', ICEBERG_REST_NAMESPACE: 'a.b' },
}
const parse = (line: string, env: Record<string, string> = {}) =>
  parseCheckOptions(line === '' ? [] : line.split(' '), env)

describe('what is asked for', () => {
  test('without a word: all readers, over a lake of its own', () => {
    expect(parse('', LAKE)).toEqual({
      ...{ readers: ['spark', 'pyiceberg', 'duckdb'], reads: 5, ratePerS: 5_000 },
      ...{ warehouse: null, workers: 0, table: 'pings' },
    })
  })

  test('the lake of the environment, which it does not write', () => {
    const options = parse('duckdb --attach --table trips --reads 1', LAKE)
    expect(options).toMatchObject({ readers: ['duckdb'], reads: 1, ratePerS: null, table: 'trips' })
    expect(options?.warehouse).toEqual({
      kind: 's3',
      access: {
        ...{ endpoint: 'http://minio:9000', region: 'us-east-1' },
        credentials: { accessKeyId: 'k', secretAccessKey: 's' },
      },
      catalog: { kind: 'rest', uri: 'http://catalog:8181', namespace: ['a', 'b'] },
    })
  })

  test('workers that write, and what they make of trips', () => {
    expect(parse('--workers 2 --table trips')).toMatchObject({ workers: 2, table: 'trips' })
    expect(() => parse('--workers 2 --attach', LAKE)).toThrow('does not go with --attach')
  })

  test.each([
    ['trino', '"trino" is no reader: write spark, pyiceberg, duckdb'],
    ['--attach', '--attach needs MINIO_ENDPOINT'],
    ['--table trips', '--table needs --attach or --workers'],
    ['--workers 9', '--workers is "9"'],
    ['--table orders', '--table "orders": write pings or trips'],
    ['--reads 0', '--reads is "0"'],
    ['--what', "Unknown option '--what'"],
  ])('%s is wrong usage', (line, said) => {
    expect(() => parse(line)).toThrow(said)
  })

  test('help is asked for', () => {
    expect(parse('--help')).toBeNull()
    for (const line of CHECK_HELP.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })
})
