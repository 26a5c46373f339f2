/// A process of its own for tests: answers SQL over a folder through chDB, which reads below its working directory only.
import { Session } from 'chdb'

const [folder = '', data = ''] = process.argv.slice(2)
process.chdir(folder)
const session = new Session(data)

process.on('message', (message: unknown) => {
  const sql = String(message)
  try {
    process.send?.({ ok: true, text: session.query(sql, 'TSV').toString() })
  } catch (thrown) {
    process.send?.({ ok: false, text: String(thrown) })
  }
})
process.on('disconnect', () => process.exit(0))
process.send?.({ ok: true, text: 'ready' })
