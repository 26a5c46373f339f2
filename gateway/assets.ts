import { promisify } from 'node:util'
import { gzip, zstdCompress } from 'node:zlib'

import { errorResponse } from './http-error.ts'
import type { Pages } from './ports.ts'

type Asset = NonNullable<ReturnType<Pages['asset']>>
type Coding = 'zstd' | 'gzip'
type Compress = (bytes: Uint8Array) => Promise<Uint8Array>

const COMPRESS: Readonly<Record<Coding, Compress>> = {
  zstd: promisify(zstdCompress),
  gzip: promisify(gzip),
}
const COMPRESSIBLE = /^(text\/|application\/(json|javascript|manifest)|image\/svg)/
/** Below this a compressed answer saves no packet. */
const SMALL_BYTES = 1_024

/** The UI's built files over HTTP: tagged by content, compressed once a file, immutable where named so. */
export class Assets {
  readonly #pages: Pages
  // By the file's own bytes: a rebuilt page brings new ones, and the old go with them.
  readonly #tags = new WeakMap<Uint8Array, string>()
  readonly #compressed = new WeakMap<Uint8Array, Map<Coding, Promise<Uint8Array>>>()

  constructor(pages: Pages) {
    this.#pages = pages
  }

  async answer(path: string, headers: Headers): Promise<Response> {
    const asset = this.#pages.asset(path)
    if (!asset) return errorResponse(404, 'not_found', 'no such file')
    const coding = this.#coding(asset, headers.get('accept-encoding') ?? '')
    const tag = this.#tag(asset, coding)
    const shared = {
      etag: tag,
      vary: 'accept-encoding',
      'cache-control': asset.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    }
    const known = headers.get('if-none-match')?.split(',') ?? []
    if (known.some((one) => one.trim().replace(/^W\//, '') === tag)) {
      return new Response(null, { status: 304, headers: shared })
    }
    const body = coding ? await this.#compress(asset, coding) : asset.body
    const encoding = coding ? { 'content-encoding': coding } : {}
    return new Response(Uint8Array.from(body), {
      headers: { ...shared, ...encoding, 'content-type': asset.type },
    })
  }

  #coding(asset: Asset, accepted: string): Coding | null {
    if (asset.body.byteLength < SMALL_BYTES || !COMPRESSIBLE.test(asset.type)) return null
    const names = accepted.split(',').map((one) => one.split(';')[0]?.trim())
    if (names.includes('zstd')) return 'zstd'
    return names.includes('gzip') ? 'gzip' : null
  }

  #tag(asset: Asset, coding: Coding | null): string {
    let hash = this.#tags.get(asset.body)
    if (hash === undefined) {
      hash = new Bun.CryptoHasher('sha256').update(asset.body).digest('base64url').slice(0, 22)
      this.#tags.set(asset.body, hash)
    }
    return `"${hash}${coding ? `-${coding}` : ''}"`
  }

  #compress(asset: Asset, coding: Coding): Promise<Uint8Array> {
    const made = this.#compressed.get(asset.body) ?? new Map<Coding, Promise<Uint8Array>>()
    this.#compressed.set(asset.body, made)
    const found = made.get(coding)
    if (found) return found
    const compressed = COMPRESS[coding](asset.body)
    made.set(coding, compressed)
    return compressed
  }
}
