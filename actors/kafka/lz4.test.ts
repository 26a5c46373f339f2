import { expect, test } from 'bun:test'

import { lz4Decompress } from './lz4.ts'

const TEXT = `${Array.from({ length: 40 }, (_, n) => JSON.stringify({ session_id: `s${n % 3}`, n: (n * 7_919) % 1_000 })).join('')}${'='.repeat(600)}`

/** The text as lz4-java writes it, which is what Kafka's own clients use. */
const PLAIN =
  'BCJNGGBAgmQBAAD8Cnsic2Vzc2lvbl9pZCI6InMwIiwibiI6MH0ZABIxGQA9OTE5GwASMhsAPTgzOBsAA08APTc1Nx' +
  'sAA1EAPTY3NhsAA1EAPTU5NRsAA1EAPTUxNBsAA1EAPTQzMxsAA1EAPTM1MhsAA1EAPTI3MRsAA1EALjE5DgEDUQAu' +
  'MTAOAQRRAA4NAQNQAC45NA0BA1AALjg2DQEDUAAuNzgNAQNRAC43MA0BA1EALjYyDQEDUQAuNTQNAQNRAC40Ng0BA1' +
  'EALjM4DQEDUQAuMjkNAQNRAC4yMQ4BA1EALjEzDgEDUQAeNQ0BA1AALjk3DQEDUAAuODkNAQNQAC44MQ0BA1EALjcz' +
  'DQEDUQAuNjUNAQNRAC41Nw0BA1EALjQ4DQEDUQAuNDANAQNRAC4zMg0BA1EALjI0DgEDUQAuMTYOAQNRAB44DQEDUA' +
  'AOCwEDTgAuOTILAQVOAD8xfT0BAP//QVA9PT09PQAAAAA='
/** With its size and with checksums of blocks and of the whole. */
const CHECKED =
  'BCJNGHxAiQYAAAAAAABfZAEAAPwKeyJzZXNzaW9uX2lkIjoiczAiLCJuIjowfRkAEjEZAD05MTkbABIyGwA9ODM4Gw' +
  'ADTwA9NzU3GwADUQA9Njc2GwADUQA9NTk1GwADUQA9NTE0GwADUQA9NDMzGwADUQA9MzUyGwADUQA9MjcxGwADUQAu' +
  'MTkOAQNRAC4xMA4BBFEADg0BA1AALjk0DQEDUAAuODYNAQNQAC43OA0BA1EALjcwDQEDUQAuNjINAQNRAC41NA0BA1' +
  'EALjQ2DQEDUQAuMzgNAQNRAC4yOQ0BA1EALjIxDgEDUQAuMTMOAQNRAB41DQEDUAAuOTcNAQNQAC44OQ0BA1AALjgx' +
  'DQEDUQAuNzMNAQNRAC42NQ0BA1EALjU3DQEDUQAuNDgNAQNRAC40MA0BA1EALjMyDQEDUQAuMjQOAQNRAC4xNg4BA1' +
  'EAHjgNAQNQAA4LAQNOAC45MgsBBU4APzF9PQEA//9BUD09PT09xtHcyQAAAAAFJb9X'

test('a frame of another program is read, with and without checksums', () => {
  for (const frame of [PLAIN, CHECKED]) {
    expect(lz4Decompress(Buffer.from(frame, 'base64')).toString()).toBe(TEXT)
  }
})

test('blocks that are not compressed are taken as they are', () => {
  const text = Buffer.from('as it is')
  const length = Buffer.from([text.byteLength, 0, 0, 0x80])
  const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])
  const frame = Buffer.concat([head, length, text, length, text, Buffer.alloc(4)])
  expect(lz4Decompress(frame).toString()).toBe('as it isas it is')
})

test('a frame that is cut anywhere, or none, is a typed error', () => {
  const frame = Buffer.from(PLAIN, 'base64')
  for (let length = 0; length < frame.byteLength - 4; length++) {
    expect(() => lz4Decompress(frame.subarray(0, length))).toThrow('an LZ4 frame')
  }
  expect(() => lz4Decompress(Buffer.from('no frame at all'))).toThrow('an LZ4 frame')
})
