/** A piece of a text: [start, end), and how deep its JSON nests. */
export type Span = Readonly<{ start: number; end: number; depth: number }>

/** What holds for a text of flat objects. */
export type Shape = Readonly<{
  /** How many objects there are. */
  objects: number
  /** True when a line break lies inside one of them. */
  broken: boolean
}>

/**
 * The shape of a text that holds flat objects only, each at most `bytesMax` long and together at most
 * `objectsMax`; null for anything else, which then needs a closer look. It searches for brackets
 * and reads nothing between them, so that a good frame pays little and a hostile one is not parsed.
 */
export function flatShape(
  text: string,
  limits: { bytesMax: number; objectsMax: number },
): Shape | null {
  const bracket = text.indexOf('[')
  if (bracket !== -1 && text.indexOf('[', bracket + 1) !== -1) return null
  let objects = 0
  let broken = false
  let lineBreak = text.indexOf('\n')
  let open = text.indexOf('{')
  // A list begins before its objects; one inside an object is nesting.
  if (bracket !== -1 && bracket > open) return null
  while (open !== -1) {
    const close = text.indexOf('}', open)
    const next = text.indexOf('{', open + 1)
    if (close === -1 || (next !== -1 && next < close)) return null
    if (close - open >= limits.bytesMax || ++objects > limits.objectsMax) return null
    if (lineBreak !== -1 && lineBreak < open) lineBreak = text.indexOf('\n', open)
    if (lineBreak !== -1 && lineBreak < close) broken = true
    open = next
  }
  return { objects, broken }
}

const QUOTE = 34
const COMMA = 44
const BACKSLASH = 92
const OPEN_LIST = 91
const CLOSE_LIST = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

/** True for the four characters that JSON takes for space. */
export function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9
}

/** The span without the space around it; its depth is counted. */
export function trimmed(text: string, start: number, end: number): Span {
  let from = start
  let to = end
  while (from < to && isSpace(text.charCodeAt(from))) from++
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--
  return { start: from, end: to, depth: depthOf(text, from, to) }
}

/** How deep lists and objects nest, strings skipped. Does not mind text that is no JSON. */
export function depthOf(text: string, start: number, end: number): number {
  let depth = 0
  let deepest = 0
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = closingQuote(text, at, end)
    else if (code === OPEN_OBJECT || code === OPEN_LIST) deepest = Math.max(deepest, ++depth)
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) depth--
  }
  return deepest
}

/** The lines that hold something, at most `spansMax + 1` of them. */
export function lineSpans(text: string, spansMax: number): readonly Span[] {
  const spans: Span[] = []
  let start = 0
  while (start < text.length && spans.length <= spansMax) {
    const found = text.indexOf('\n', start)
    const end = found === -1 ? text.length : found
    const span = trimmed(text, start, end)
    if (span.end > span.start) spans.push(span)
    start = end + 1
  }
  return spans
}

/**
 * The elements of the list that the span is, at most `spansMax + 1` of them, or null when brackets do
 * not close. What stands between two commas is not judged: one bad element then spoils itself alone.
 */
export function elementSpans(text: string, list: Span, spansMax: number): readonly Span[] | null {
  const spans: Span[] = []
  let depth = 0
  let start = list.start + 1
  for (let at = list.start; at < list.end; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = closingQuote(text, at, list.end)
    else if (code === OPEN_OBJECT || code === OPEN_LIST) depth++
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      if (--depth > 0) continue
      const last = trimmed(text, start, at)
      if (last.end > last.start || spans.length > 0) spans.push(last)
      return at === list.end - 1 && code === CLOSE_LIST ? spans : null
    } else if (code === COMMA && depth === 1) {
      spans.push(trimmed(text, start, at))
      if (spans.length > spansMax) return spans
      start = at + 1
    }
  }
  return null
}

function closingQuote(text: string, from: number, end: number): number {
  for (let at = from + 1; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === BACKSLASH) at++
    else if (code === QUOTE) return at
  }
  return end
}
