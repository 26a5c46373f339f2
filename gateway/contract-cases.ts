import { AUTHENTICATED, NOT_AUTHENTICATED, RECEIVED } from './replies.ts'
import { TestSocket } from './test-socket.ts'
import { wirePing } from './testing.ts'

/** What a case sends; a function is given the ingest key. */
type Frame = string | Uint8Array | ((key: string) => string)

/** One step of a vehicle. A reply is to the byte, or holds the pieces named. */
export type ContractStep =
  | Readonly<{ kind: 'connect' }>
  | Readonly<{ kind: 'ask'; frame: Frame; reply: string | readonly string[] }>
  /** Sends, and loses the line before a reply is read. */
  | Readonly<{ kind: 'sendAndCut'; frame: Frame }>
  | Readonly<{ kind: 'closed'; code: number }>

/** A row of PacketPulse's contract: what is sent, what comes back, and what is kept. */
export type ContractCase = Readonly<{
  name: string
  steps: readonly ContractStep[]
  /** Pings that must be accepted; those sent before a cut may be, too. */
  accepted: number
  acceptedMax?: number
  /** Codes of the dead letters that must be kept, in order. */
  deadLetters: readonly string[]
}>

const authentication = (key: string): string =>
  `{"type": "authentication", "api_key": ${JSON.stringify(key)}}`
const CONNECT: ContractStep = { kind: 'connect' }
const SIGN_ON: readonly ContractStep[] = [
  CONNECT,
  { kind: 'ask', frame: authentication, reply: AUTHENTICATED },
]
const text = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wirePing(fields))
const without = (name: string): string => {
  const { [name]: _left, ...rest } = wirePing()
  return JSON.stringify(rest)
}
const ask = (frame: Frame, reply: string | readonly string[]): ContractStep => ({
  kind: 'ask',
  frame,
  reply,
})
/** The socket goes on: the next good ping is answered. */
const GOES_ON = ask(text(), RECEIVED)

const notAuthenticated = (name: string, frame: Frame): ContractCase => ({
  name,
  steps: [CONNECT, ask(frame, NOT_AUTHENTICATED), { kind: 'closed', code: 1008 }],
  accepted: 0,
  deadLetters: [],
})
const accepts = (name: string, frame: Frame): ContractCase => ({
  name,
  steps: [...SIGN_ON, ask(frame, RECEIVED), GOES_ON],
  accepted: 2,
  deadLetters: [],
})
const refuses = (
  name: string,
  frame: Frame,
  reply: readonly string[],
  code = 'invalid_ping',
): ContractCase => ({
  name,
  steps: [...SIGN_ON, ask(frame, ['{"success":false,"message":"', ...reply]), GOES_ON],
  accepted: 1,
  deadLetters: [code],
})

const AUTHENTICATION_CASES: readonly ContractCase[] = [
  { name: 'the right key', steps: [...SIGN_ON, GOES_ON], accepted: 1, deadLetters: [] },
  notAuthenticated('a wrong key', '{"type": "authentication", "api_key": "wrong"}'),
  notAuthenticated('another type', (key) => `{"type": "hello", "api_key": ${JSON.stringify(key)}}`),
  notAuthenticated('no key', '{"type": "authentication"}'),
  notAuthenticated('a key that is no text', '{"type": "authentication", "api_key": 5}'),
  notAuthenticated('a first frame that is no JSON', 'hello'),
  notAuthenticated('a first frame that is a list', '[{"type": "authentication"}]'),
  notAuthenticated('a first frame of bytes', Uint8Array.of(0, 255, 254, 7)),
  notAuthenticated('an empty first frame', ''),
  notAuthenticated('a ping before the key', text()),
]

const REPLY_CASES: readonly ContractCase[] = [
  accepts('a valid ping with the two extra fields', text()),
  accepts(
    'a valid ping with Python spacing',
    JSON.stringify(wirePing(), null, 1).replace(/\n */g, ' '),
  ),
  accepts('a number in quotes', text({ current_lat: '37.5' })),
  accepts('a valid ping as bytes', new TextEncoder().encode(text())),
  refuses('a field is missing', without('order_id'), [
    '1 validation error for DeliveryData\\norder_id\\n  Field required',
    '"code":"invalid_ping"',
    '"path":"order_id"',
  ]),
  refuses('two fields are wrong', text({ order_id: 7, current_lat: 'abc' }), [
    '2 validation errors for DeliveryData\\norder_id\\n',
    'current_lat\\n',
  ]),
  refuses('an id that is a number', text({ device_id: 5 }), [
    'device_id\\n  Input should be a valid string',
    '"received":"5"',
  ]),
  refuses('a latitude that is a word', text({ current_lat: 'abc' }), [
    'current_lat\\n  Input should be a valid number',
  ]),
  refuses('a latitude that is null', text({ current_lat: null }), [
    'current_lat\\n  Input should be a valid number',
  ]),
  refuses('an unknown status', text({ status: 'paused' }), ['status\\n']),
  refuses('an empty id', text({ session_id: '' }), ['session_id\\n']),
  refuses('a latitude off the globe', text({ current_lat: 999 }), ['current_lat\\n']),
  refuses('a time that cannot be read', text({ timestamp: 'garbage' }), ['timestamp\\n']),
  refuses(
    'a bare NaN',
    text().replace('38.076554', 'NaN'),
    ['expected JSON', '"code":"invalid_json"'],
    'invalid_json',
  ),
  refuses('a number', '5', ['expected an object'], 'invalid_ping'),
  refuses('a text', '"ping"', ['expected an object'], 'invalid_ping'),
  refuses('what is no JSON', 'not json', ['expected JSON'], 'invalid_json'),
  refuses('an empty frame', '', ['expected at least one ping'], 'empty'),
  refuses(
    'bytes that are no text',
    Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d),
    ['expected UTF-8'],
    'invalid_utf8',
  ),
  {
    name: 'a list of good pings, which the old gateway refused',
    steps: [
      ...SIGN_ON,
      ask(
        `[${text()},${text({ timestamp: '2024-05-04T03:59:22Z' })}]`,
        '{"success":true,"message":"Data received","accepted":2,"refused":[],"refusedCount":0}',
      ),
      GOES_ON,
    ],
    accepted: 3,
    deadLetters: [],
  },
  {
    name: 'lines of which one is bad',
    steps: [
      ...SIGN_ON,
      ask(`${text()}\n${text({ current_lat: 999 })}\n${text()}\n`, [
        '{"success":false,"message":"1 of 3 pings refused","accepted":2,"refused":[{"index":1,',
        '"code":"invalid_ping","path":"current_lat"',
        '"refusedCount":1}',
      ]),
      GOES_ON,
    ],
    accepted: 3,
    deadLetters: ['invalid_ping'],
  },
]

const session = { session_id: 'reconnect', device_id: 'reconnect' }
const at = (second: number, status: string): string =>
  text({ ...session, status, timestamp: `2024-05-04T04:00:${String(second).padStart(2, '0')}.5` })

const LIFE_CASES: readonly ContractCase[] = [
  {
    name: 'a short delivery: started, completed, no en_route',
    steps: [...SIGN_ON, ask(at(1, 'started'), RECEIVED), ask(at(2, 'completed'), RECEIVED)],
    accepted: 2,
    deadLetters: [],
  },
  {
    name: 'cut on an unanswered started: the session goes on with en_route, never started again',
    steps: [
      ...SIGN_ON,
      { kind: 'sendAndCut', frame: at(1, 'started') },
      ...SIGN_ON,
      ask(at(2, 'en_route'), RECEIVED),
      ask(at(3, 'completed'), RECEIVED),
    ],
    accepted: 2,
    acceptedMax: 3,
    deadLetters: [],
  },
  {
    name: 'cut on an unanswered completed: it comes again with a new time',
    steps: [
      ...SIGN_ON,
      ask(at(1, 'started'), RECEIVED),
      { kind: 'sendAndCut', frame: at(14, 'completed') },
      ...SIGN_ON,
      ask(at(16, 'completed'), RECEIVED),
    ],
    accepted: 2,
    acceptedMax: 3,
    deadLetters: [],
  },
  {
    name: 'cut on an unanswered en_route: the next one has a new position and a new time',
    steps: [
      ...SIGN_ON,
      ask(at(1, 'started'), RECEIVED),
      { kind: 'sendAndCut', frame: at(2, 'en_route') },
      ...SIGN_ON,
      ask(at(3, 'en_route'), RECEIVED),
    ],
    accepted: 2,
    acceptedMax: 3,
    deadLetters: [],
  },
]

/** PacketPulse's wire, row by row: authentication, replies, and the life of a delivery over cut lines. */
export const CONTRACT_CASES: readonly ContractCase[] = [
  ...AUTHENTICATION_CASES,
  ...REPLY_CASES,
  ...LIFE_CASES,
]

/** Runs one case against a server's `/ws`; throws with the step that went another way. */
export async function runContractCase(
  { name, steps }: ContractCase,
  { url, key }: Readonly<{ url: string; key: string }>,
): Promise<void> {
  let socket: TestSocket | null = null
  for (const [index, step] of steps.entries()) {
    const fail = (why: string): never => {
      throw new Error(`${name}, step ${index} (${step.kind}): ${why}`)
    }
    if (step.kind === 'connect') {
      socket = await TestSocket.connect(url)
      continue
    }
    if (!socket) return fail('not connected')
    if (step.kind === 'ask') {
      const reply = await socket.ask(frameOf(step.frame, key))
      if (typeof step.reply === 'string' && reply !== step.reply) fail(`received ${reply}`)
      if (typeof step.reply !== 'string' && !step.reply.every((piece) => reply.includes(piece))) {
        fail(`received ${reply}`)
      }
      await socket.settle()
      if (socket.unread > 0) fail('more than one reply')
    } else if (step.kind === 'sendAndCut') {
      socket.send(frameOf(step.frame, key))
      socket.cut()
    } else {
      const { code } = await socket.closed
      if (code !== step.code) fail(`closed with ${code}`)
    }
  }
  socket?.close()
}

function frameOf(frame: Frame, key: string): string | Uint8Array {
  return typeof frame === 'function' ? frame(key) : frame
}
