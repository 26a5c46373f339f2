import type { Reason } from './adapters-reasons.ts'
import { camelCase, type Origin, settingNames } from './config.ts'
import { settingMeta } from './setting.ts'
import { type Config, configSchema, type SettingName, settings } from './settings.ts'

/** One setting with all that is known of it; a secret's value is masked. */
export type SettingRow = Readonly<{
  name: SettingName
  group: string
  unit: string
  limit: string
  default: string | number
  about: string
}>

const defaults = configSchema.parse({})

/** What the schema says, in its order. */
export const settingRows: readonly SettingRow[] = settingNames.map((name) => {
  const meta = settingMeta.get(settings[name])
  return {
    name,
    group: meta?.group ?? 'General',
    unit: meta?.unit ?? '',
    limit: meta?.limit ?? '',
    default: defaults[name],
    about: meta?.about ?? '',
  }
})

type Effective = SettingRow & Readonly<{ value: string | number; from: Origin }>

/** Each setting with its value and where that came from; secrets are masked. */
export function effectiveSettings(
  config: Config,
  origins: Readonly<Record<SettingName, Origin>>,
): readonly Effective[] {
  const values = new Map<string, string | number>(Object.entries(config))
  return settingRows.map((row) => {
    const value = values.get(camelCase(row.name)) ?? ''
    const secret = settingMeta.get(settings[row.name])?.secret === true
    return { ...row, value: secret && value !== '' ? '******' : value, from: origins[row.name] }
  })
}

/** The table that `--config` prints, for a terminal. */
export function configText(rows: readonly Effective[]): string {
  const shown = (value: string | number): string => (value === '' ? '–' : String(value))
  return aligned([
    ['setting', 'value', 'unit', 'default', 'limit', 'from'],
    ...rows.map((row) => [
      row.name,
      shown(row.value),
      row.unit,
      shown(row.default),
      row.limit,
      row.from,
    ]),
  ])
}

/** What stands behind each port, for a terminal. */
export function adaptersText(roles: Iterable<string>, reasons: readonly Reason[]): string {
  return aligned([
    ['port', 'adapter', 'because'],
    ...reasons.map(({ port, adapter, because }) => [port, adapter, because]),
    ['roles', [...roles].join(', '), 'ROLES'],
  ])
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => width(line[column]))))
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}

function width(cell: string | undefined): number {
  return cell?.length ?? 0
}

/** The table that the README shows, in Markdown. */
export function configMarkdown(): string {
  const code = (value: string | number): string => (value === '' ? 'none' : `\`${value}\``)
  return [
    '| Variable | Default | Unit | Limit | What it is |',
    '| --- | --- | --- | --- | --- |',
    ...settingRows.map(
      (row) =>
        `| \`${row.name}\` | ${code(row.default)} | ${row.unit} | ${row.limit} | ${row.about} |`,
    ),
  ].join('\n')
}
