import { type Environment, findJava, MISSING } from '../../actors/testing/services.ts'

const VERSION_MIN = 17

/** A sentence that says what to do when there is no Java, or one too old for the jars. */
export function javaProblem(env: Environment): string | null {
  const java = findJava(env)
  if (java === null) return MISSING.java
  const version = javaVersion(Bun.spawnSync([java, '-version']).stderr.toString())
  if (version === null || version >= VERSION_MIN) return null
  return `${java} is Java ${version}. ${MISSING.java}`
}

/** The number that matters of what `java -version` says: 17 of 17.0.15, 8 of 1.8.0_452. */
export function javaVersion(said: string): number | null {
  const version = /version "(?:1\.)?(\d+)/.exec(said)?.[1]
  return version === undefined ? null : Number(version)
}
