import { type AvroComplex, type AvroValue, decodeAvroFile, encodeAvroFile } from './avro.ts'
import type { Long } from './lossless-json.ts'
import { MANIFEST_FILE } from './manifest-schema.ts'
import { bytesOf, listOf, longOf, type ManifestEntry, numberOf, recordOf } from './manifest.ts'
import { SPEC_ID } from './table-schema.ts'

/** Smallest and largest partition value in a manifest, as Iceberg's single-value bytes. */
export type FieldSummary = Readonly<{
  containsNull: boolean
  containsNan: boolean | null
  lower: Uint8Array | null
  upper: Uint8Array | null
}>

/** What a snapshot's list says of a manifest. */
export type ManifestFile = Readonly<{
  path: string
  length: number
  specId: number
  /** 0 data, 1 deletes. */
  content: number
  sequenceNumber: Long
  minSequenceNumber: Long
  addedSnapshotId: Long
  addedFiles: number
  existingFiles: number
  deletedFiles: number
  addedRows: Long
  existingRows: Long
  deletedRows: Long
  partitions: readonly FieldSummary[] | null
  keyMetadata: Uint8Array | null
}>

/** The snapshot that a list belongs to. */
export type ListHeader = Readonly<{
  snapshotId: Long
  parentSnapshotId: Long | null
  sequenceNumber: Long
}>

/** Bytes of a manifest list. */
export function encodeManifestList(
  header: ListHeader,
  manifests: readonly ManifestFile[],
): Uint8Array {
  const metadata = {
    'snapshot-id': String(header.snapshotId),
    'parent-snapshot-id': String(header.parentSnapshotId),
    'sequence-number': String(header.sequenceNumber),
    'format-version': '2',
  }
  return encodeAvroFile(MANIFEST_FILE, metadata, manifests.map(manifestValue))
}

/** Manifests of a list, whoever wrote it: fields are found by Iceberg's ids, names differ by writer. */
export function decodeManifestList(bytes: Uint8Array): readonly ManifestFile[] {
  const { schema, rows } = decodeAvroFile(bytes)
  const names = namesById(schema as AvroComplex)
  return rows.map((row) => {
    const record = recordOf(row)
    const at = (id: number): AvroValue | undefined => record[names.get(id) ?? '']
    return {
      path: String(at(500)),
      length: numberOf(at(501)),
      specId: numberOf(at(502)),
      content: numberOf(at(517)),
      sequenceNumber: longOf(at(515)) ?? 0,
      minSequenceNumber: longOf(at(516)) ?? 0,
      addedSnapshotId: longOf(at(503)) ?? -1,
      addedFiles: numberOf(at(504)),
      existingFiles: numberOf(at(505)),
      deletedFiles: numberOf(at(506)),
      addedRows: longOf(at(512)) ?? 0,
      existingRows: longOf(at(513)) ?? 0,
      deletedRows: longOf(at(514)) ?? 0,
      partitions: at(507) === null || at(507) === undefined ? null : listOf(at(507)).map(summaryOf),
      keyMetadata: at(519) instanceof Uint8Array ? bytesOf(at(519)) : null,
    }
  })
}

/** The line of a list for a manifest that holds these entries, all of our partition spec. */
export function describeManifest(
  path: string,
  length: number,
  entries: readonly ManifestEntry[],
  snapshot: Readonly<{ snapshotId: Long; sequenceNumber: Long }>,
): ManifestFile {
  const files = { added: 0, existing: 0, deleted: 0 }
  const rows = { added: 0, existing: 0, deleted: 0 }
  let minSequenceNumber = snapshot.sequenceNumber
  let [firstDay, lastDay] = [Infinity, -Infinity]
  for (const { status, file, sequenceNumber } of entries) {
    files[status]++
    rows[status] += file.rows
    firstDay = Math.min(firstDay, file.day)
    lastDay = Math.max(lastDay, file.day)
    if (status !== 'deleted' && sequenceNumber !== null && sequenceNumber < minSequenceNumber) {
      minSequenceNumber = sequenceNumber
    }
  }
  const [lower, upper] = [int32Bytes(firstDay), int32Bytes(lastDay)]
  return {
    path,
    length,
    specId: SPEC_ID,
    content: 0,
    sequenceNumber: snapshot.sequenceNumber,
    minSequenceNumber,
    addedSnapshotId: snapshot.snapshotId,
    addedFiles: files.added,
    existingFiles: files.existing,
    deletedFiles: files.deleted,
    addedRows: rows.added,
    existingRows: rows.existing,
    deletedRows: rows.deleted,
    partitions: [{ containsNull: false, containsNan: false, lower, upper }],
    keyMetadata: null,
  }
}

function int32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  return bytes
}

function manifestValue(manifest: ManifestFile): AvroValue {
  return {
    manifest_path: manifest.path,
    manifest_length: manifest.length,
    partition_spec_id: manifest.specId,
    content: manifest.content,
    sequence_number: manifest.sequenceNumber,
    min_sequence_number: manifest.minSequenceNumber,
    added_snapshot_id: manifest.addedSnapshotId,
    added_files_count: manifest.addedFiles,
    existing_files_count: manifest.existingFiles,
    deleted_files_count: manifest.deletedFiles,
    added_rows_count: manifest.addedRows,
    existing_rows_count: manifest.existingRows,
    deleted_rows_count: manifest.deletedRows,
    partitions:
      manifest.partitions?.map((summary) => ({
        contains_null: summary.containsNull,
        contains_nan: summary.containsNan,
        lower_bound: summary.lower,
        upper_bound: summary.upper,
      })) ?? null,
    key_metadata: manifest.keyMetadata,
  }
}

function summaryOf(value: AvroValue): FieldSummary {
  const summary = recordOf(value)
  const [nan, lower, upper] = ['contains_nan', 'lower_bound', 'upper_bound'].map(
    (name) => summary[name],
  )
  return {
    containsNull: summary['contains_null'] === true,
    containsNan: typeof nan === 'boolean' ? nan : null,
    lower: lower instanceof Uint8Array ? lower : null,
    upper: upper instanceof Uint8Array ? upper : null,
  }
}

function namesById(schema: AvroComplex): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  for (const field of schema.fields ?? []) {
    if (field['field-id'] !== undefined) names.set(field['field-id'], field.name)
  }
  // Some writers leave the ids out; the names of the specification are all there is then.
  for (const field of MANIFEST_FILE.fields) {
    if (!names.has(field['field-id'])) names.set(field['field-id'], field.name)
  }
  return names
}
