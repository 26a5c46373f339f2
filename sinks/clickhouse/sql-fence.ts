import { OrreryError } from '../../actors/kernel/errors.ts'
import { lexSql, type SqlToken } from './sql-lexer.ts'

/**
 * What a person's statement may be, told from its normalised text (`formatQuerySingleLine`: one
 * statement, comments gone, escapes resolved). The second wall: the engine's user has no right to files
 * or the network, and the console's connections are read-only. This one holds what those let through:
 * scalar `file()`, INTO OUTFILE, SETTINGS that lift the read-only mode and the limits, system tables.
 */
export function fence(normalised: string, databases: readonly string[]): string {
  const tokens = lexSql(normalised)
  const unknown = tokens.find((token) => token.kind === 'unknown')
  if (unknown) throw refused(`cannot read the statement at “${unknown.text.slice(0, 20)}”`)
  checkTokens(tokens)
  const first = wordAt(tokens, 0)
  if (first === 'SELECT' || first === 'WITH' || tokens[0]?.text === '(') {
    // In parentheses: then FORMAT, INTO OUTFILE or a second statement cannot follow by grammar.
    return `(\n${normalised}\n)`
  }
  if (first === 'EXPLAIN') return explain(tokens, normalised)
  if (first === 'SHOW' || first === 'DESCRIBE' || first === 'EXISTS') {
    return aboutTable(tokens, normalised, databases)
  }
  throw refused(
    `${first || 'this statement'} is not allowed: only SELECT, WITH, SHOW, DESCRIBE, EXISTS and EXPLAIN`,
  )
}

/** Names that are refused wherever they stand, since a function can be passed by its name alone. */
const NAMES_REFUSED: ReadonlySet<string> = new Set([
  'system',
  'information_schema',
  'settings',
  'outfile',
  'infile',
  'file',
  'sleep',
  'sleepeachrow',
  'catboostevaluate',
  'getserversetting',
  'getmergetreesetting',
  'getmacro',
  'getserverport',
  'tcpport',
  'getclienthttpheader',
  'hascolumnintable',
  'showcertificate',
  'addresstoline',
  'addresstolinewithinlines',
  'addresstosymbol',
  'demangle',
  'logtrace',
  'joinget',
  'joingetornull',
  'filesystemavailable',
  'filesystemcapacity',
  'filesystemunreserved',
  'getoskernelversion',
  'zookeepersessionuptime',
  'serveruuid',
])

/** Beginnings of names that are refused: calls to language models and to name servers. */
const PREFIXES_REFUSED = /^(?:ai(?:generate|classify|extract|translate|embed)|reversedns)/

/** Table functions that make rows of what stands in the statement; every other reaches outside it. */
const TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  'numbers',
  'numbers_mt',
  'zeros',
  'zeros_mt',
  'generate_series',
  'generateseries',
  'values',
  'view',
  'null',
])

/** Table functions by name, refused wherever they are called: in a list of tables too. */
const TABLE_FUNCTIONS_REFUSED =
  /^(?:sqlstandardvalues|arrowstream|azure\w*|cluster|clusterallreplicas|cosn|deltalake\w*|dictionary|eval|executable\w*|filecluster|filesystem|fuzzjson|fuzzquery|gcs|generaterandom|hdfs\w*|hive|hudi\w*|iceberg(?!bucket$|hash$|truncate$)\w*|input|jdbc|loop|merge|mergetree\w*|mongodb|mysql|odbc|oss|paimon\w*|postgresql|primes|prometheus\w*|python|redis|remote|remotesecure|s3\w*|sqlite|timeseries(?:data|metrics|samples|selector|tags)|url|urlcluster|viewexplain|viewifpermitted|ytsaurus)$/

function checkTokens(tokens: readonly SqlToken[]): void {
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'string') {
      const before = wordAt(tokens, index - 1)
      if (before === 'FROM' || before === 'JOIN') throw refused('a table is named without quotes')
    }
    if (token.kind !== 'word' && token.kind !== 'quoted') continue
    const name = token.text.toLowerCase()
    if (NAMES_REFUSED.has(name) || PREFIXES_REFUSED.test(name)) {
      throw refused(`${token.text} is not allowed here`)
    }
    const before = wordAt(tokens, index - 1)
    const isTable =
      before === 'FROM' || (before === 'JOIN' && wordAt(tokens, index - 2) !== 'ARRAY')
    if (isTable && token.kind === 'quoted' && !/^[\w$ -]+$/.test(token.text)) {
      throw refused(`no table is called ${token.text}`)
    }
    if (tokens[index + 1]?.text !== '(') continue
    if (TABLE_FUNCTIONS_REFUSED.test(name) || (isTable && !TABLE_FUNCTIONS.has(name))) {
      throw refused(`the table function ${token.text} is not allowed`)
    }
  }
}

const EXPLAIN_WORDS: ReadonlySet<string> = new Set([
  'AST',
  'SYNTAX',
  'QUERY',
  'TREE',
  'PLAN',
  'PIPELINE',
  'ESTIMATE',
])

/** EXPLAIN, its kind, options `name = number`, then a SELECT that has passed the same checks. */
function explain(tokens: readonly SqlToken[], normalised: string): string {
  for (let at = 1; at < tokens.length; at += 1) {
    const word = wordAt(tokens, at)
    if (word === 'SELECT' || word === 'WITH' || tokens[at]?.text === '(') return normalised
    if (EXPLAIN_WORDS.has(word) || tokens[at]?.text === ',') continue
    const isOption = tokens[at + 1]?.text === '=' && tokens[at + 2]?.kind === 'number'
    if (word === '' || !isOption) break
    at += 2
  }
  throw refused('EXPLAIN is allowed for SELECT')
}

/** SHOW, DESCRIBE and EXISTS, of the tables of our own databases. */
function aboutTable(
  tokens: readonly SqlToken[],
  normalised: string,
  databases: readonly string[],
): string {
  const shape = tokens.map(({ kind, text }) => (kind === 'word' ? text : (SHAPES[kind] ?? text)))
  const found = ABOUT_TABLE.exec(shape.join(' '))
  if (!found) {
    throw refused(
      'allowed are SHOW TABLES, SHOW DATABASES, SHOW COLUMNS FROM, SHOW CREATE TABLE, DESCRIBE TABLE and EXISTS TABLE',
    )
  }
  const database = found.groups?.['database'] ?? found.groups?.['of']
  if (database !== undefined && !databases.includes(database)) {
    throw refused(`there is no database ${database}; there are ${databases.join(' and ')}`)
  }
  return normalised
}

const SHAPES: Readonly<Record<string, string>> = { quoted: '`', string: "'", number: '0' }
const TABLE = String.raw`(?:(?<database>\w+) \. )?\w+`
const ABOUT_TABLE = new RegExp(
  String.raw`^(?:SHOW DATABASES|SHOW (?:FULL )?TABLES(?: FROM (?<of>\w+))?(?: (?:NOT )?I?LIKE ')?(?: LIMIT 0)?|` +
    String.raw`(?:SHOW COLUMNS FROM|SHOW CREATE (?:TABLE|VIEW)|DESCRIBE TABLE|EXISTS (?:TABLE|VIEW)) ${TABLE})$`,
)

function wordAt(tokens: readonly SqlToken[], index: number): string {
  const token = tokens[index]
  return token?.kind === 'word' ? token.text.toUpperCase() : ''
}

function refused(reason: string): OrreryError {
  return new OrreryError('sql_refused', reason)
}
