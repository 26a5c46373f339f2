import { OrreryError } from '../../actors/kernel/errors.ts'
import { lexSql } from './sql-lexer.ts'

/**
 * Refuses a person's statement that names a database which is not ours. A server has others, and the rights
 * of its user may reach them. Any name before a dot counts, wherever it stands: a table's alias that is
 * called as a database is refused too, rather than judged.
 */
export function refuseOtherDatabases(
  sql: string,
  databases: readonly string[],
  ours: readonly string[],
): void {
  const others = new Set(databases.filter((name) => !ours.includes(name)))
  const tokens = lexSql(sql)
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'word' && token.kind !== 'quoted') continue
    if (tokens[index + 1]?.text === '.' && others.has(token.text)) {
      throw new OrreryError('sql_refused', `the database ${token.text} is not open to the console`)
    }
  }
}
