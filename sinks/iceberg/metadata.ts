import { OrreryError } from '../../actors/kernel/errors.ts'
import { type Long, parseLossless, sameLong, stringifyLossless } from './lossless-json.ts'

/** A snapshot as table metadata has it. */
export type Snapshot = Readonly<{
  'snapshot-id': Long
  'parent-snapshot-id'?: Long
  'sequence-number': number
  'timestamp-ms': number
  'manifest-list': string
  summary: Readonly<Record<string, string>>
  'schema-id'?: number
}>

/** A branch or tag. */
export type SnapshotRef = Readonly<{
  'snapshot-id': Long
  type: string
  [setting: string]: unknown
}>

type SchemaJson = Readonly<{ 'schema-id': number; fields: readonly SchemaField[] }>
type SchemaField = Readonly<{ id: number; name: string; type: unknown; required: boolean }>
type SpecJson = Readonly<{ 'spec-id': number; fields: readonly SpecField[] }>
type SpecField = Readonly<{
  'source-id': number
  'field-id': number
  transform: string
  name: string
}>

/** Table metadata of format version 2. What we do not know is kept as it is. */
export type TableMetadata = Readonly<{
  'format-version': number
  'table-uuid': string
  location: string
  'last-sequence-number': number
  'last-updated-ms': number
  'last-column-id': number
  schemas: readonly SchemaJson[]
  'current-schema-id': number
  'partition-specs': readonly SpecJson[]
  'default-spec-id': number
  properties: Readonly<Record<string, string>>
  'current-snapshot-id'?: Long | null
  snapshots: readonly Snapshot[]
  refs: Readonly<Record<string, SnapshotRef>>
  'snapshot-log': readonly Readonly<{ 'snapshot-id': Long; 'timestamp-ms': number }>[]
  'metadata-log': readonly Readonly<{ 'metadata-file': string; 'timestamp-ms': number }>[]
  [more: string]: unknown
}>

/** What a new table is made of. */
export type TableDefinition = Readonly<{
  uuid: string
  /** Null when the catalog chooses. */
  location: string | null
  schema: SchemaJson & Readonly<{ type: string }>
  spec: SpecJson
  properties: Readonly<Record<string, string>>
}>

/** What must hold for a change to be made, in the words of the REST catalog. */
export type Requirement =
  | Readonly<{ type: 'assert-table-uuid'; uuid: string }>
  | Readonly<{ type: 'assert-ref-snapshot-id'; ref: string; 'snapshot-id': Long | null }>

/** One step of a change, in the words of the REST catalog. */
export type Update =
  | Readonly<{ action: 'add-snapshot'; snapshot: Snapshot }>
  | Readonly<{ action: 'set-snapshot-ref'; 'ref-name': string; type: string; 'snapshot-id': Long }>
  | Readonly<{ action: 'set-properties'; updates: Readonly<Record<string, string>> }>
  | Readonly<{ action: 'remove-snapshots'; 'snapshot-ids': readonly Long[] }>

/** All steps are made at once, or none. */
export type Change = Readonly<{
  requirements: readonly Requirement[]
  updates: readonly Update[]
}>

/** Reads table metadata, or says why this table cannot be written by us. */
export function parseMetadata(text: string, path: string): TableMetadata {
  let parsed: unknown
  try {
    parsed = parseLossless(text)
  } catch (cause) {
    throw new OrreryError('iceberg_metadata', `${path} is no JSON`, { cause })
  }
  return checkMetadata(parsed, path)
}

/** The same of JSON that is parsed already, as a catalog sends it. */
export function checkMetadata(value: unknown, path: string): TableMetadata {
  const parsed = value as Partial<TableMetadata> | null
  const version = parsed?.['format-version']
  if (version !== 2) {
    const message = `${path}: table format version ${version} is not supported, only 2 is`
    throw new OrreryError('iceberg_metadata', message)
  }
  for (const key of ['table-uuid', 'location', 'schemas', 'partition-specs'] as const) {
    if (parsed?.[key] === undefined) {
      throw new OrreryError('iceberg_metadata', `${path}: ${key} is missing`)
    }
  }
  const defaults = { properties: {}, snapshots: [], 'snapshot-log': [], 'metadata-log': [] }
  const metadata = { ...defaults, refs: {}, ...parsed } as TableMetadata
  return { ...metadata, refs: refsOf(metadata) }
}

/** The JSON text of table metadata. */
export function metadataText(metadata: TableMetadata): string {
  return stringifyLossless(metadata)
}

/** Metadata of a table without a snapshot. */
export function newMetadata(
  table: TableDefinition & Readonly<{ location: string }>,
  nowMs: number,
): TableMetadata {
  const columnIds = table.schema.fields.map((field) => field.id)
  const partitionIds = table.spec.fields.map((field) => field['field-id'])
  return {
    'format-version': 2,
    'table-uuid': table.uuid,
    location: table.location,
    'last-sequence-number': 0,
    'last-updated-ms': nowMs,
    'last-column-id': Math.max(...columnIds),
    'current-schema-id': table.schema['schema-id'],
    schemas: [table.schema],
    'default-spec-id': table.spec['spec-id'],
    'partition-specs': [table.spec],
    'last-partition-id': Math.max(999, ...partitionIds),
    'default-sort-order-id': 0,
    'sort-orders': [{ 'order-id': 0, fields: [] }],
    properties: table.properties,
    // As most catalogs have it; some readers know an absent one, some a null, all know this.
    'current-snapshot-id': -1,
    refs: {},
    snapshots: [],
    statistics: [],
    'partition-statistics': [],
    'snapshot-log': [],
    'metadata-log': [],
  }
}

/** The id that readers of `main` see; null for a table without snapshots (some catalogs write −1). */
export function currentSnapshotId(metadata: TableMetadata): Long | null {
  const id = metadata.refs['main']?.['snapshot-id'] ?? metadata['current-snapshot-id'] ?? null
  return id === null || sameLong(id, -1) ? null : id
}

/** A snapshot by its id. */
export function snapshotOf(metadata: TableMetadata, id: Long | null): Snapshot | undefined {
  return metadata.snapshots.find((snapshot) => sameLong(snapshot['snapshot-id'], id))
}

/** Why the change may not be made to this table, or null. */
export function unmetRequirement(metadata: TableMetadata, change: Change): string | null {
  for (const requirement of change.requirements) {
    if (requirement.type === 'assert-table-uuid') {
      if (requirement.uuid !== metadata['table-uuid']) return 'the table is another one'
      continue
    }
    const found = metadata.refs[requirement.ref]?.['snapshot-id'] ?? null
    if (!sameOrBothNull(found, requirement['snapshot-id'])) {
      return `${requirement.ref} is at ${found}, not at ${requirement['snapshot-id']}`
    }
  }
  return null
}

/** The metadata after a change. `previous` is the file that held it before; the log keeps `logMax` of them. */
export function applyChange(
  metadata: TableMetadata,
  change: Change,
  { nowMs, previous, logMax }: { nowMs: number; previous: string; logMax: number },
): TableMetadata {
  let next: TableMetadata = metadata
  for (const update of change.updates) next = applyUpdate(next, update)
  const left = { 'metadata-file': previous, 'timestamp-ms': metadata['last-updated-ms'] }
  return {
    ...next,
    // Readers travel in time by these stamps, so they never go back, even when the clock does.
    'last-updated-ms': Math.max(nowMs, metadata['last-updated-ms']),
    'metadata-log': [...metadata['metadata-log'], left].slice(-logMax),
  }
}

function applyUpdate(metadata: TableMetadata, update: Update): TableMetadata {
  switch (update.action) {
    case 'add-snapshot': {
      const { snapshot } = update
      return {
        ...metadata,
        'last-sequence-number': snapshot['sequence-number'],
        snapshots: [...metadata.snapshots, snapshot],
      }
    }
    case 'set-snapshot-ref':
      return setRef(metadata, update['ref-name'], update.type, update['snapshot-id'])
    case 'set-properties':
      return { ...metadata, properties: { ...metadata.properties, ...update.updates } }
    case 'remove-snapshots':
      return removeSnapshots(metadata, update['snapshot-ids'])
  }
}

function setRef(metadata: TableMetadata, name: string, type: string, id: Long): TableMetadata {
  const ref = { ...metadata.refs[name], 'snapshot-id': id, type }
  const next = { ...metadata, refs: { ...metadata.refs, [name]: ref } }
  if (name !== 'main') return next
  const timestampMs = snapshotOf(metadata, id)?.['timestamp-ms'] ?? metadata['last-updated-ms']
  const entry = { 'snapshot-id': id, 'timestamp-ms': timestampMs }
  return {
    ...next,
    'current-snapshot-id': id,
    'snapshot-log': [...metadata['snapshot-log'], entry],
  }
}

function removeSnapshots(metadata: TableMetadata, ids: readonly Long[]): TableMetadata {
  const gone = new Set(ids.map(String))
  const log = metadata['snapshot-log']
  // The log may name only snapshots that are there, without gaps: it keeps what follows the last removed.
  const last = log.findLastIndex((entry) => gone.has(String(entry['snapshot-id'])))
  return {
    ...metadata,
    snapshots: metadata.snapshots.filter((snapshot) => !gone.has(String(snapshot['snapshot-id']))),
    'snapshot-log': log.slice(last + 1),
  }
}

// Older writers leave `refs` out; `main` is then where the current snapshot is.
function refsOf(metadata: TableMetadata): TableMetadata['refs'] {
  const current = metadata['current-snapshot-id'] ?? null
  if (metadata.refs['main'] || current === null || sameLong(current, -1)) return metadata.refs
  return { ...metadata.refs, main: { 'snapshot-id': current, type: 'branch' } }
}

function sameOrBothNull(a: Long | null, b: Long | null): boolean {
  return a === null || b === null ? a === b : sameLong(a, b)
}
