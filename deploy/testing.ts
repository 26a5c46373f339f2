import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The ingest key of servers under test. */
export const TEST_KEY = 'test-key-of-this-run'

type Settings = Readonly<Record<string, string>>

/** The shipped program on a data folder of its own, started, killed and asked as its users do. */
export class ServerUnderTest {
  readonly root: string
  dataDir: string
  url = ''
  /** Kept over restarts, so that clients come back to the same address. */
  #port = '0'
  #child: Bun.Subprocess<'ignore' | 'pipe', 'pipe', 'pipe'> | null = null
  #log: Promise<string> = Promise.resolve('')
  readonly #settings: Settings
  readonly #stdin: 'ignore' | 'pipe'

  constructor(settings: Settings = {}, stdin: 'ignore' | 'pipe' = 'ignore') {
    this.root = mkdtempSync(join(tmpdir(), 'orrery-e2e-'))
    this.dataDir = join(this.root, 'data')
    this.#settings = settings
    this.#stdin = stdin
  }

  get socketUrl(): string {
    return `${this.url.replace('http', 'ws')}/ws`
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Starts it and waits for its summary; throws with its log when it does not come up. */
  async start(...args: string[]): Promise<void> {
    const child = this.#spawn('start.ts', args, this.#stdin)
    this.#child = child
    this.#log = new Response(child.stderr).text()
    let summary = ''
    const decoder = new TextDecoder()
    for await (const piece of child.stdout) {
      summary += decoder.decode(piece, { stream: true })
      if (summary.includes('Ctrl-C')) break
    }
    this.url = /http:\/\/127\.0\.0\.1:\d+/.exec(summary)?.[0] ?? ''
    this.#port = /:(\d+)$/.exec(this.url)?.[1] ?? '0'
    if (this.url === '') throw new Error(`did not start: ${summary}${await this.#log}`)
  }

  /** Writes to its standard input, if it has one. */
  type(text: string): void {
    const stdin = this.#child?.stdin
    // It may have shut it: then there is nobody to read.
    if (stdin) Promise.resolve(stdin.write(text)).catch(() => {})
  }

  /** Ends it; its exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const child = this.#child
    if (!child) return 0
    child.kill(signal)
    const code = await child.exited
    this.#child = null
    return code
  }

  /** Its log lines, once it has ended. */
  async log(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const lines = (await this.#log).split('\n').filter((line) => line.startsWith('{'))
    return lines.map((line) => JSON.parse(line))
  }

  /** Runs another of our commands to its end on the same data. */
  async run(program: string, args: readonly string[]) {
    const child = this.#spawn(program, args)
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { out, err, code }
  }

  /** `bun run sql`: the rows of the answer; throws with its complaint. */
  async sql<Row = Record<string, number | string>>(query: string): Promise<Row[]> {
    const { out, err, code } = await this.run('sql.ts', [query, '--format', 'JSONEachRow'])
    if (code !== 0) throw new Error(`${query}: ${err}`)
    const lines = out.split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line))
  }

  /** Ends it at once and removes its data. */
  async dispose(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.root, { recursive: true, force: true })
  }

  #spawn<Stdin extends 'ignore' | 'pipe' = 'ignore'>(
    program: string,
    args: readonly string[],
    stdin = 'ignore' as Stdin,
  ): Bun.Subprocess<Stdin, 'pipe', 'pipe'> {
    return Bun.spawn([process.execPath, join(import.meta.dir, program), ...args], {
      env: {
        PATH: process.env['PATH'] ?? '',
        UV_THREADPOOL_SIZE: '16',
        HOST: '127.0.0.1',
        PORT: this.#port,
        API_KEY: TEST_KEY,
        DATA_DIR: this.dataDir,
        ...this.#settings,
      },
      cwd: this.root,
      stdin,
      stdout: 'pipe',
      stderr: 'pipe',
    })
  }
}
