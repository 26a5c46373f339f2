import { describe, expect, test } from 'bun:test'

import { SERVICES } from '../../actors/testing/services.ts'
import { parseServicesOptions, SERVICES_HELP, type ServicesOptions } from './options.ts'

const env = { ORRERY_SERVICES_DIR: '/cache' }

function parse(line: string): ServicesOptions | null {
  return parseServicesOptions(line === '' ? [] : line.split(' '), env)
}

describe('what is asked for', () => {
  test('without a word it is to start everything', () => {
    expect(parse('')).toMatchObject({
      ...{ action: 'start', services: ['kafka', 'redis', 's3', 'catalog'], dir: '/cache/run' },
      ...{ cache: '/cache', repository: 'https://repo1.maven.org/maven2', json: false },
    })
  })

  test('a service alone is to start it', () => {
    expect(parse('redis')).toMatchObject({ action: 'start', services: ['redis'] })
  })

  test('a catalog is started with its storage, before it, and stopped alone', () => {
    expect(parse('start catalog')?.services).toEqual(['s3', 'catalog'])
    expect(parse('stop catalog')?.services).toEqual(['catalog'])
  })

  test('ports, a folder and a mirror can be given', () => {
    const line = 'start --port kafka=9092 --port redis=6379 --dir /d --repository http://m/maven/'
    expect(parse(line)).toMatchObject({
      ...{ dir: '/d', repository: 'http://m/maven' },
      ports: new Map([
        ['kafka', 9092],
        ['redis', 6379],
      ]),
    })
  })

  test('readers are installed only when they are named, alone or beside services', () => {
    expect(parse('install')).toMatchObject({ services: SERVICES, extras: [] })
    expect(parse('install readers')).toMatchObject({ services: [], extras: ['readers'] })
    expect(parse('install s3 spark readers')).toMatchObject({
      ...{ services: ['s3'], extras: ['readers', 'spark'] },
    })
    expect(() => parse('start readers')).toThrow('"readers" is no service')
  })

  test.each([
    ['mysql', '"mysql" is no service: write kafka, redis, s3, catalog'],
    ['start stop', '"stop" is no service'],
    ['--port 9092', '"9092" is no service'],
    ['--port kafka=0', '--port is "0": a number from 1 to 65535'],
    ['--port kafka', '--port is ""'],
    ['--repository maven', '--repository "maven" is no address'],
    ['--what', "Unknown option '--what'"],
  ])('%s is wrong usage', (line, said) => {
    expect(() => parse(line)).toThrow(said)
  })

  test('help is asked for', () => {
    expect(parse('stop --help')).toBeNull()
    for (const line of SERVICES_HELP.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })
})
