import type { Clock } from '../../actors/kernel/clock.ts'
import type { Status } from './control.ts'
import type { Report } from './install.ts'

const SHOW_EVERY_MS = 200
/** Where nobody watches, a line now and then shows that it goes on. */
const SHOW_QUIET_EVERY_MS = 10_000

/** Tells of downloads: a line that changes on a terminal, otherwise a few lines. */
export function installReport(
  clock: Clock,
  terminal: boolean,
  write: (text: string) => void,
): Report {
  let beganMs = 0
  let shownMs = 0
  return {
    begin(service, files, bytes) {
      beganMs = clock.monotonicMs()
      shownMs = beganMs
      write(`${service}: fetching ${files} files, ${megabytes(bytes)}\n`)
    },
    progress(service, bytesHere, bytes) {
      const nowMs = clock.monotonicMs()
      if (nowMs - shownMs < (terminal ? SHOW_EVERY_MS : SHOW_QUIET_EVERY_MS)) return
      shownMs = nowMs
      const text = progressText(service, bytesHere, bytes, nowMs - beganMs)
      write(terminal ? `\r\u001b[K${text}` : `${text}\n`)
    },
    end(service, bytes, tookMs) {
      const seconds = (tookMs / 1_000).toFixed(1)
      write(`${terminal ? '\r\u001b[K' : ''}${service}: ${megabytes(bytes)} in ${seconds} s\n`)
    },
    waiting: (service) => write(`${service}: waiting for another run that fetches it\n`),
  }
}

/** One line: how much is here, of how much, how fast. */
export function progressText(
  service: string,
  bytesHere: number,
  bytes: number,
  tookMs: number,
): string {
  const share = Math.floor((bytesHere / bytes) * 100)
  const rate = megabytes(bytesHere / Math.max(0.001, tookMs / 1_000))
  return `${service}: ${share} %, ${megabytes(bytesHere)} of ${megabytes(bytes)}, ${rate}/s`
}

/** One line for each service. */
export function statusText(statuses: readonly Status[]): string {
  return statuses
    .map(({ service, pid, port, missing, logFile }) => {
      const name = service.padEnd(8)
      if (pid !== null) return `${name} runs on port ${port} (pid ${pid}, log ${logFile})`
      return `${name} ${missing ?? 'does not run'}`
    })
    .join('\n')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
