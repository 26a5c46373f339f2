const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

/**
 * MurmurHash3_x86_128 with seed 0 (Austin Appleby, public domain) of `length` little-endian words, padded
 * with zero words to whole blocks of four. `words` must have room for the padding. The 128 bits go into `into`.
 */
export function murmur128(words: Uint32Array, length: number, into: Uint32Array): void {
  const padded = (length + 3) & ~3
  for (let index = length; index < padded; index++) words[index] = 0
  let h1 = 0
  let h2 = 0
  let h3 = 0
  let h4 = 0
  for (let at = 0; at < padded; at += 4) {
    h1 ^= Math.imul(rotate(Math.imul(words[at] ?? 0, C1), 15), C2)
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0
    h2 ^= Math.imul(rotate(Math.imul(words[at + 1] ?? 0, C2), 16), C3)
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0
    h3 ^= Math.imul(rotate(Math.imul(words[at + 2] ?? 0, C3), 17), C4)
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0
    h4 ^= Math.imul(rotate(Math.imul(words[at + 3] ?? 0, C4), 18), C1)
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0
  }
  const bytes = padded * 4
  finishInto((h1 ^ bytes) | 0, (h2 ^ bytes) | 0, (h3 ^ bytes) | 0, (h4 ^ bytes) | 0, into)
}

function finishInto(a: number, b: number, c: number, d: number, into: Uint32Array): void {
  let h1 = (a + b + c + d) | 0
  let h2 = (b + h1) | 0
  let h3 = (c + h1) | 0
  let h4 = (d + h1) | 0
  h1 = finish(h1)
  h2 = finish(h2)
  h3 = finish(h3)
  h4 = finish(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  into[0] = h1
  into[1] = h2 + h1
  into[2] = h3 + h1
  into[3] = h4 + h1
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}

function finish(value: number): number {
  let mixed = value
  mixed ^= mixed >>> 16
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
