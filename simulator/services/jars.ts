import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { JAR_FOLDERS } from '../../actors/testing/services.ts'

/** Services that are fetched as jars. */
export type JarService = keyof typeof JAR_FOLDERS

/** One file of a Maven repository, pinned by what is in it. */
export type Jar = Readonly<{
  /** Its name in the folder of the service. */
  name: string
  /** Its path below a repository's root. */
  path: string
  bytes: number
  sha256: string
}>

/** The jars of a service, from the list beside this file: no resolver is needed where it is fetched. */
export function jarsOf(service: JarService): readonly Jar[] {
  return parseJars(readFileSync(join(import.meta.dir, `${service}.jars`), 'utf8'))
}

/** Lines of `group:artifact:version[:classifier] bytes sha256`. */
export function parseJars(text: string): readonly Jar[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [coordinates = '', bytes, sha256 = ''] = line.split(' ')
      const [group = '', artifact = '', version = '', classifier] = coordinates.split(':')
      const name = `${artifact}-${version}${classifier ? `-${classifier}` : ''}.jar`
      const path = `${group.replaceAll('.', '/')}/${artifact}/${version}/${name}`
      return { name, path, bytes: Number(bytes), sha256 }
    })
}
