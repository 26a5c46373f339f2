import type { Random } from '../../actors/kernel/clock.ts'

/** Every data file, manifest and manifest list that we write begins with this; only such are ever deleted. */
export const OWN_PREFIX = 'orrery-'

/** A draw from the system's generator, for ids that no other process may draw. */
export const systemRandom: Random = () =>
  (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 4_294_967_296

/** So many hexadecimal digits. */
export function randomHex(random: Random, length: number): string {
  let text = ''
  while (text.length < length) text += Math.floor(random() * 16).toString(16)
  return text
}

/** A snapshot id of our own: at most 52 bits, so that no reader can lose a digit of it. */
export function randomSnapshotId(random: Random): number {
  return Math.floor(random() * 0xfffff) * 4_294_967_296 + Math.floor(random() * 4_294_967_296) + 1
}

/** A random (version 4) UUID. */
export function randomUuid(random: Random): string {
  const hex = randomHex(random, 32)
  const variant = '89ab'[Math.floor(random() * 4)] ?? '8'
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`]
  return [...parts, `${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Was this file of the table at `location` written by us. */
export function isOwn(path: string, location: string): boolean {
  return path.startsWith(`${location}/`) && baseName(path).startsWith(OWN_PREFIX)
}
