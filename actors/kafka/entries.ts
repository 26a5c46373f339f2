import type { JournalEntry } from '../kernel/journal.ts'
import { frameValues } from '../model/frame.ts'
import type { Offer, RelayStamp } from '../model/offer.ts'
import { PLACES_MAX } from './places.ts'
import type { SenderStamp } from './stamp.ts'

/** One record to write. */
export type KafkaEntry = JournalEntry &
  Readonly<{
    partition: number
    /** What other consumers partition and compact by; null for none. */
    key: string | null
    /**
     * Who counts it, where that is not the writer: an edge gateway's id and offset, so that any core takes it once. The
     * offset of its last message: a frame that is cut differently the second time is then never dropped with
     * something new in it.
     */
    stamp?: SenderStamp
  }>

export type EntriesOptions<Message> = Readonly<{
  kind: 'pings' | 'trips'
  keyOf: (message: Message) => string
  partitionOf: (key: string) => number
  /** `single`: a message a record, as the old systems wrote them. `frame`: those of a partition in one record. */
  form: 'single' | 'frame'
  /** Bytes of a frame beyond which the next one begins; default 256 KiB. */
  frameBytesMax?: number
}>

const FRAME_BYTES_MAX = 256 * 1024
/** A retry's own line takes a place too. */
const FRAME_MESSAGES_MAX = PLACES_MAX - 1

type Sent<Message> = Pick<
  Offer<Message>,
  'payload' | 'messages' | 'source' | 'receivedMs' | 'relay'
>

/** The records that an offer's messages become, in their order; each keeps its text as the sender wrote it. */
export function entriesOf<Message>(
  { payload, messages, source, receivedMs, relay }: Sent<Message>,
  options: EntriesOptions<Message>,
): KafkaEntry[] {
  const { kind, keyOf, partitionOf, form } = options
  const texts = messageTexts(payload, messages.length)
  const at = { kind, source, receivedMs }
  const singles = messages.map((message, index): KafkaEntry => {
    const key = keyOf(message)
    const entry = { ...at, count: 1, partition: partitionOf(key), key, payload: texts[index] ?? '' }
    return relay ? { ...entry, stamp: stampOf(relay, messages.length - 1 - index) } : entry
  })
  return form === 'single' ? singles : framed(singles, options.frameBytesMax ?? FRAME_BYTES_MAX)
}

/** How an edge's message is named that so many others of its offer follow. */
export function stampOf({ sender, sequence }: RelayStamp, followers: number): SenderStamp {
  return { sender, sequence: sequence - followers }
}

function framed(singles: readonly KafkaEntry[], bytesMax: number): KafkaEntry[] {
  const frames: KafkaEntry[] = []
  const close = (of: readonly KafkaEntry[]): void => {
    const [first] = of
    if (!first) return
    const payload = of.map((single) => single.payload).join('\n')
    const stamp = of.at(-1)?.stamp
    frames.push({ ...first, key: null, count: of.length, payload, ...(stamp && { stamp }) })
  }
  for (const partition of new Set(singles.map((single) => single.partition))) {
    let open: KafkaEntry[] = []
    let bytes = 0
    for (const single of singles) {
      if (single.partition !== partition) continue
      const size = single.payload.length + 1
      if (open.length > 0 && (open.length === FRAME_MESSAGES_MAX || bytes + size > bytesMax)) {
        close(open)
        open = []
        bytes = 0
      }
      open.push(single)
      bytes += size
    }
    close(open)
  }
  return frames
}

/** The text of each message of a frame: cut out of it, so that no digit of a number is lost. */
export function messageTexts(payload: Uint8Array | string, count: number): readonly string[] {
  const text = typeof payload === 'string' ? payload : new TextDecoder().decode(payload)
  const whole = text.trim()
  const isList = whole.startsWith('[')
  if (count === 1 && !isList) return [whole.includes('\n') ? oneLine(whole) : whole]
  const texts = isList ? itemsOf(whole) : whole.split('\n').filter((line) => line.trim() !== '')
  if (texts.length === count) return texts.map((item) => oneLine(item.trim()))
  // Values that are not one a line: rare, and then written anew.
  return (frameValues(payload, count) ?? []).map((value) => JSON.stringify(value))
}

/** In JSON a line break stands between two marks only, never within a text. */
function oneLine(json: string): string {
  return json.replace(/[\r\n]+/g, ' ')
}

const MARKS = /["[\]{},]/g

/** The items of a JSON array, which is known to be well formed. */
function itemsOf(list: string): string[] {
  const items: string[] = []
  let depth = 0
  let begin = 1
  MARKS.lastIndex = 0
  for (let mark = MARKS.exec(list); mark; mark = MARKS.exec(list)) {
    const at = mark.index
    switch (mark[0]) {
      case '"':
        MARKS.lastIndex = textEnd(list, at)
        break
      case '[':
      case '{':
        depth++
        break
      case ',':
        if (depth !== 1) break
        items.push(list.slice(begin, at))
        begin = at + 1
        break
      default:
        depth--
        if (depth === 0 && list.slice(begin, at).trim() !== '') items.push(list.slice(begin, at))
    }
  }
  return items
}

/** Where the text that begins at a quotation mark has ended. */
function textEnd(json: string, from: number): number {
  for (let at = json.indexOf('"', from + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let escapes = 0
    while (json[at - 1 - escapes] === '\\') escapes++
    if (escapes % 2 === 0) return at + 1
  }
  return json.length
}
