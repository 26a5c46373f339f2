import type { ContractCase } from './contract-cases.ts'
import { AUTHENTICATED, NOT_AUTHENTICATED, RECEIVED } from './replies.ts'
import { wirePing, wireTrip } from './testing.ts'

type Step = ContractCase['steps'][number]

const authentication = (key: string): string =>
  `{"type": "authentication", "api_key": ${JSON.stringify(key)}}`
const SIGN_ON: readonly Step[] = [
  { kind: 'connect' },
  { kind: 'ask', frame: authentication, reply: AUTHENTICATED },
]
const text = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wireTrip(fields))
const GOES_ON: Step = { kind: 'ask', frame: text(), reply: RECEIVED }

const accepts = (name: string, frame: string | Uint8Array): ContractCase => ({
  name,
  steps: [...SIGN_ON, { kind: 'ask', frame, reply: RECEIVED }, GOES_ON],
  accepted: 2,
  deadLetters: [],
})
const refuses = (
  name: string,
  frame: string,
  reply: readonly string[],
  code = 'invalid_trip',
): ContractCase => ({
  name,
  steps: [
    ...SIGN_ON,
    { kind: 'ask', frame, reply: ['{"success":false,"message":"', `"code":"${code}"`, ...reply] },
    GOES_ON,
  ],
  accepted: 1,
  deadLetters: [code],
})
/** A field that is wrong, and how that is said. */
const refusesField = (name: string, path: string, value: unknown, why: string): ContractCase =>
  refuses(name, text({ [path]: value }), [
    `1 validation error for TripEvent\\n${path}\\n`,
    `"path":"${path}"`,
    why,
  ])

/** Trips over a socket, row by row: the replies are those of pings, the rules those of StreamPulse's producer. */
export const TRIP_CASES: readonly ContractCase[] = [
  {
    name: 'a wrong key',
    steps: [
      { kind: 'connect' },
      { kind: 'ask', frame: authentication('wrong'), reply: NOT_AUTHENTICATED },
      { kind: 'closed', code: 1008 },
    ],
    accepted: 0,
    deadLetters: [],
  },
  accepts('a trip as the replay producer sends it', text()),
  accepts('a trip as bytes', new TextEncoder().encode(text())),
  accepts(
    'numbers in quotes',
    text({ region_id: '5', fare: '12.5', duration: '60', distance: '1' }),
  ),
  accepts('a time with a space and no zone', text({ event_time: '2025-08-17 06:00:00' })),
  accepts(
    'the optional fields of the longer schema, and one that nobody knows',
    text({ pickup_location: { lat: 38, lon: 23.7 }, driver_id: 'driver_1', surge: [1, { x: 2 }] }),
  ),
  accepts('an optional field that makes no sense', text({ pickup_location: 'home' })),
  refusesField('no id', 'trip_id', undefined, '"received":"nothing (field required)"'),
  refusesField('a blank id', 'trip_id', '  ', 'not blank'),
  refusesField('an id that is a number', 'trip_id', 7, 'Input should be a valid string'),
  refusesField('an id that is too long', 'trip_id', 'x'.repeat(51), 'at most 50 characters'),
  refusesField('a region that is a word', 'region_id', 'north', 'Input should be a valid number'),
  refusesField('a region that is true', 'region_id', true, 'Input should be a valid number'),
  refusesField('half a region', 'region_id', 5.5, 'a whole number'),
  refusesField('a region below the first', 'region_id', -1, '≥ 1'),
  refusesField('a region beyond the last', 'region_id', 999, '≤ 100'),
  refusesField('a time that cannot be read', 'event_time', 'NaTZ', 'ISO 8601'),
  refusesField('a time far ahead', 'event_time', '2199-01-01T00:00:00Z', 'at most 5 min ahead'),
  refusesField(
    'a time before there were trips',
    'event_time',
    '1970-01-01T00:00:00Z',
    '2000-01-01',
  ),
  refusesField('no fare', 'fare', null, 'Input should be a valid number'),
  refusesField('a negative fare', 'fare', -10, '≥ 0'),
  refusesField('a fare that is NaN', 'fare', 'NaN', 'Input should be a valid number'),
  refusesField('a duration with a fraction', 'duration', 60.7, 'a whole number'),
  refusesField('a duration of a minute less', 'duration', 59, '≥ 60'),
  refusesField('a distance of nothing', 'distance', 0, '≥ 0.1'),
  refuses(
    'a row of a recording that could not be cut is refused with that reason',
    '{"file":"t.csv","line":7,"why":"2 fields where the header names 6","raw":"too,few"}',
    ['t.csv, line 7: ', '2 fields where the header names 6'],
    'invalid_csv',
  ),
  refuses('two fields are wrong', text({ fare: 'x', distance: 201 }), [
    '2 validation errors for TripEvent\\nfare\\n',
    'distance\\n',
  ]),
  refuses('a ping', JSON.stringify(wirePing()), ['6 validation errors for TripEvent\\ntrip_id\\n']),
  refuses('what is no JSON', 'health_check_ping', ['expected JSON'], 'invalid_json'),
  refuses('an empty frame', '', ['expected at least one trip'], 'empty'),
  {
    name: 'lines of which one is bad',
    steps: [
      ...SIGN_ON,
      {
        kind: 'ask',
        frame: `${text()}\n${text({ region_id: 0 })}\n${text()}\n`,
        reply: [
          '{"success":false,"message":"1 of 3 trips refused","accepted":2,"refused":[{"index":1,',
          '"code":"invalid_trip","path":"region_id"',
          '"refusedCount":1}',
        ],
      },
      GOES_ON,
    ],
    accepted: 3,
    deadLetters: ['invalid_trip'],
  },
]
