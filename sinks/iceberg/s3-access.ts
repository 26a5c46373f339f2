/** A key for S3. */
export type S3Credentials = Readonly<{
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}>

/** How an S3 server is reached. What is left out is found where the AWS tools find it. */
export type S3Access = Readonly<{
  /** Address of a server that is not AWS: `http://minio:9000`. */
  endpoint?: string
  region?: string
  /** The bucket in the path, not in the host's name; so unless told otherwise. */
  pathStyle?: boolean
  credentials?: S3Credentials
}>

/** A file of an object store by bucket and key, from a path as Iceberg metadata has it. */
export type S3Place = Readonly<{ bucket: string; key: string }>

/** Bucket and key of a path; null for one that is not of S3. Keys are as they stand there, nothing is decoded. */
export function s3Place(path: string): S3Place | null {
  const found = /^s3[an]?:\/\/([^/]+)\/?(.*)$/s.exec(path)
  return found ? { bucket: found[1] ?? '', key: found[2] ?? '' } : null
}

/**
 * The access to a table's files: what the owner has set, then what the catalog says of this table. The
 * catalog's key is taken only when the owner has set none, since the two may belong to different servers.
 */
export function withVended(own: S3Access, config: Readonly<Record<string, string>>): S3Access {
  const region = own.region ?? config['s3.region'] ?? config['client.region']
  const endpoint = own.endpoint ?? config['s3.endpoint']
  const vendedStyle = config['s3.path-style-access']
  const pathStyle =
    own.pathStyle ?? (vendedStyle === undefined ? undefined : vendedStyle === 'true')
  const credentials = own.credentials ?? vendedCredentials(config)
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(pathStyle === undefined ? {} : { pathStyle }),
    ...(credentials === undefined ? {} : { credentials }),
  }
}

/** When the catalog's key ends, in milliseconds since 1970; Infinity when it does not say. */
export function vendedUntilMs(config: Readonly<Record<string, string>>): number {
  const text = config['s3.session-token-expires-at-ms'] ?? config['expiration-time']
  const ms = Number(text)
  return text === undefined || !Number.isFinite(ms) ? Infinity : ms
}

function vendedCredentials(config: Readonly<Record<string, string>>): S3Credentials | undefined {
  const accessKeyId = config['s3.access-key-id']
  const secretAccessKey = config['s3.secret-access-key']
  const sessionToken = config['s3.session-token']
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}
