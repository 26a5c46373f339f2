import { expect, test } from 'bun:test'
import { join } from 'node:path'

/** What a program prints that gets `text` through a pipe. */
async function piped(text: string, program: string): Promise<string> {
  const command = `printf '%s' "$TEXT" | "$BUN" -e "$PROGRAM"`
  const child = Bun.spawn(['sh', '-c', command], {
    cwd: import.meta.dir,
    env: { PATH: process.env.PATH ?? '', BUN: process.execPath, TEXT: text, PROGRAM: program },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  await child.exited
  return out + err
}

test('standard input is taken whole, and whoever else reads descriptor 0 finds nothing', async () => {
  const from = JSON.stringify(join(import.meta.dir, 'replay-file.ts'))
  const program = `
    const { takeStdin } = await import(${from})
    const chunks = takeStdin()
    const left = (await import('node:fs')).readSync(0, new Uint8Array(9), 0, 9, null)
    let text = ''
    for await (const chunk of chunks) text += Buffer.from(chunk)
    console.log(JSON.stringify({ left, text }))`
  expect(await piped('a,b\n1,2', program)).toBe(
    `${JSON.stringify({ left: 0, text: 'a,b\n1,2' })}\n`,
  )
})
