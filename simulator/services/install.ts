import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Clock } from '../../actors/kernel/clock.ts'
import { COMPLETE, JAR_FOLDERS } from '../../actors/testing/services.ts'
import { fetchJar } from './fetch.ts'
import { type Jar, type JarService, jarsOf } from './jars.ts'
import { locked } from './lock.ts'

/** Where Maven Central answers. */
export const MAVEN_CENTRAL = 'https://repo1.maven.org/maven2'
const AT_ONCE_MAX = 4

export type InstallOptions = Readonly<{
  /** The cache; a service gets a folder in it. */
  folder: string
  repository: string
  clock: Clock
  report: Report
}>

/** Told how far it is. */
export type Report = Readonly<{
  begin(service: string, files: number, bytes: number): void
  progress(service: string, bytesHere: number, bytes: number): void
  end(service: string, bytes: number, tookMs: number): void
  waiting(service: string): void
}>

/** Fetches what is missing of a service; returns its folder. Safe beside other runs, and after one that was killed. */
export async function install(
  service: JarService,
  options: InstallOptions,
  jars: readonly Jar[] = jarsOf(service),
): Promise<string> {
  const { clock, report } = options
  const folder = join(options.folder, JAR_FOLDERS[service])
  const marker = join(folder, COMPLETE)
  if (existsSync(marker)) return folder
  mkdirSync(folder, { recursive: true })
  const onWait = (): void => report.waiting(service)
  await locked(join(folder, 'lock'), clock, onWait, async () => {
    // Another run may have fetched it while this one waited.
    if (existsSync(marker)) return
    const beganMs = clock.monotonicMs()
    const bytes = jars.reduce((sum, jar) => sum + jar.bytes, 0)
    let bytesHere = 0
    const onBytes = (more: number): void => {
      bytesHere += more
      report.progress(service, bytesHere, bytes)
    }
    report.begin(service, jars.length, bytes)
    // The large ones first, so that none is left alone at the end.
    const queue = [...jars].sort((a, b) => b.bytes - a.bytes)
    const fetchOptions = { ...options, folder, onBytes }
    const worker = async (): Promise<void> => {
      for (let jar = queue.shift(); jar; jar = queue.shift()) await fetchJar(jar, fetchOptions)
    }
    const ends = await Promise.allSettled(Array.from({ length: AT_ONCE_MAX }, worker))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    writeFileSync(marker, `${jars.length} files, ${bytes} bytes\n`)
    report.end(service, bytes, clock.monotonicMs() - beganMs)
  })
  return folder
}
