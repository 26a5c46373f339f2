import { expect, test } from 'bun:test'

import { GATEWAY_DEFAULTS } from '../gateway/options.ts'
import { readConfig } from './config.ts'
import { gatewayOptions } from './options.ts'

test('a configuration with nothing set gives the defaults of the gateway', () => {
  const outcome = readConfig({})
  if (!outcome.ok) throw new Error(outcome.message)
  expect(gatewayOptions(outcome.config)).toEqual(GATEWAY_DEFAULTS)
})

test('the settings arrive under the names of the gateway', () => {
  const outcome = readConfig({
    MAX_CONNECTIONS: '7',
    VIEWERS: 'anyone',
    EVENT_TIME_OLDEST: '2020-02-01',
    TILES_URL: 'https://tiles.example/{z}/{x}/{y}.png',
  })
  if (!outcome.ok) throw new Error(outcome.message)
  expect(gatewayOptions(outcome.config)).toMatchObject({
    connectionsMax: 7,
    viewers: 'anyone',
    time: { oldestMs: Date.UTC(2020, 1, 1) },
    tilesUrl: 'https://tiles.example/{z}/{x}/{y}.png',
  })
})
