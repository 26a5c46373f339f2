import { KEPT } from './table-settings.ts'

/** Claims of partitions where several processes write, and whose the tables are. */
export function writerTables(): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS sink_epochs (
  \`partition\` UInt32,
  epoch UInt64,
  holder String,
  claimed_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(epoch)
ORDER BY \`partition\`
SETTINGS${KEPT}`,

    `CREATE TABLE IF NOT EXISTS installation (
  id String,
  made_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = MergeTree
ORDER BY made_at
SETTINGS${KEPT}`,
  ]
}
