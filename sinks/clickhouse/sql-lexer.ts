/** A piece of a statement. `text` of a quoted name is without its quotes; of a string it is not kept. */
export type SqlToken = Readonly<{
  kind: 'word' | 'quoted' | 'string' | 'number' | 'symbol' | 'unknown'
  text: string
  start: number
  end: number
}>

const SKIPPED = /(?:\s+|--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?\*\/)+/y
const WORD = /[A-Za-z_][A-Za-z0-9_$]*/y
const NUMBER = /(?:0[xXbB][0-9A-Fa-f]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?)/y
const STRING = /'(?:[^'\\]|\\[\s\S]|'')*'/y
const HEREDOC = /\$(\w*)\$[\s\S]*?\$\1\$/y
const BACKTICKED = /`(?:[^`\\]|\\[\s\S]|``)*`/y
const DOUBLE_QUOTED = /"(?:[^"\\]|\\[\s\S]|"")*"/y
const SYMBOL = /[()[\]{},;.:?*/%+\-=<>!|&^~@]/y

/**
 * Cuts a statement into tokens; comments and white space go. What it does not know becomes one
 * `unknown` token up to the end: nothing behind it may be trusted.
 */
export function lexSql(sql: string): SqlToken[] {
  const tokens: SqlToken[] = []
  let at = 0
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at
    const found = pattern.exec(sql)?.[0] ?? null
    if (found !== null) at += found.length
    return found
  }
  const next = (start: number): SqlToken => {
    const token = (kind: SqlToken['kind'], text: string): SqlToken => ({
      kind,
      text,
      start,
      end: at,
    })
    let text = take(WORD)
    if (text !== null) return token('word', text)
    if (take(STRING) !== null || take(HEREDOC) !== null) return token('string', '')
    text = take(BACKTICKED) ?? take(DOUBLE_QUOTED)
    if (text !== null) return token('quoted', unquoted(text))
    text = take(NUMBER)
    if (text !== null) return token('number', text)
    text = take(SYMBOL)
    if (text !== null) return token('symbol', text)
    at = sql.length
    return token('unknown', sql.slice(start))
  }
  for (;;) {
    take(SKIPPED)
    if (at >= sql.length) return tokens
    tokens.push(next(at))
  }
}

function unquoted(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\([\s\S])/g, '$1')
    .replace(/([`"])\1/g, '$1')
}
