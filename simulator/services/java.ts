import { OrreryError } from '../../actors/kernel/errors.ts'
import { type Environment, findJava, MISSING } from '../../actors/testing/services.ts'

const VERSION_MIN = 17

/** Throws a sentence that says what to do when there is no Java, or one too old for the jars. */
export function checkJava(env: Environment): void {
  const java = findJava(env)
  if (java === null) throw new OrreryError('java_missing', MISSING.java)
  const version = javaVersion(Bun.spawnSync([java, '-version']).stderr.toString())
  if (version !== null && version < VERSION_MIN) {
    throw new OrreryError('java_old', `${java} is Java ${version}. ${MISSING.java}`)
  }
}

/** The number that matters of what `java -version` says: 17 of 17.0.15, 8 of 1.8.0_452. */
export function javaVersion(said: string): number | null {
  const version = /version "(?:1\.)?(\d+)/.exec(said)?.[1]
  return version === undefined ? null : Number(version)
}
