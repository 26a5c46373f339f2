import { type Need, type Operation, schemaJson, templateOf } from './openapi.ts'

const NEEDS: Readonly<Record<Need, string>> = {
  nothing: 'anybody',
  view: 'who sees the map',
  operate: 'who runs it',
  key: 'an ingest key',
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --get: #0a7d55; --post: #9a5b00 }
@media (prefers-color-scheme: dark) { :root { --get: #4fd1a0; --post: #f0b45b } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem }
h1 { margin: 0 } h2 { margin: 2.5rem 0 .5rem; font-size: 1.15rem } h3 { margin: 1rem 0 .25rem; font-size: .9rem }
nav a { margin-right: 1rem }
details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0 }
summary { padding: .6rem .8rem; cursor: pointer; display: flex; gap: .8rem; flex-wrap: wrap; align-items: baseline }
summary:hover { background: var(--soft) }
details > div { padding: 0 .8rem .8rem; border-top: 1px solid var(--line) }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { background: var(--soft); padding: .6rem .8rem; border-radius: 6px; overflow: auto; max-height: 24rem }
table { border-collapse: collapse; width: 100% }
td { overflow-wrap: anywhere; border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; vertical-align: top }
td:first-child, td:nth-child(2) { overflow-wrap: normal; width: 6rem }
.method { font-weight: 700; min-width: 2.8rem } .get { color: var(--get) } .post { color: var(--post) }
.needs { margin-left: auto; opacity: .75; font-size: .85rem }
`

/** `/docs`: the interface to read, without a script or a file of anybody else's. */
export function openApiPage(operations: readonly Operation[], nonce: string): string {
  const tags = [...new Set(operations.map(({ tag }) => tag))]
  const links = tags.map((tag) => `<a href="#${idOf(tag)}">${escape(tag)}</a>`).join('')
  const parts = tags.map((tag) => {
    const own = operations.filter((operation) => operation.tag === tag)
    return `<section id="${idOf(tag)}"><h2>${escape(tag)}</h2>${own.map(operationHtml).join('')}</section>`
  })
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<title>Interface · Orrery</title><style nonce="${nonce}">${STYLE}</style></head><body>` +
    '<h1>Orrery’s interface</h1><p>Generated from the routes. For programs: ' +
    '<a href="/openapi.json">openapi.json</a> (OpenAPI 3.1). <a href="/">To the map</a></p>' +
    `<nav aria-label="Parts">${links}</nav><main>${parts.join('')}</main></body></html>`
  )
}

function operationHtml(operation: Operation): string {
  const { method, path, summary, more, needs, params, query, body, answers, socket } = operation
  const verb = socket ? 'socket' : method
  const inputs = [
    ...Object.entries(params?.shape ?? {}).map(([name, field]) => ['path', name, field] as const),
    ...Object.entries(query?.shape ?? {}).map(([name, field]) => ['query', name, field] as const),
  ]
  const rows = inputs.map(
    ([place, name, field]) =>
      `<tr><td><code>${escape(name)}</code></td><td>${place}</td><td><code>${escape(JSON.stringify(schemaJson(field, 'input')))}</code></td></tr>`,
  )
  const outcomes = Object.entries(answers).map(([status, { is, schema }]) => {
    const json = schema
      ? `<pre>${escape(JSON.stringify(schemaJson(schema, 'output'), null, 1))}</pre>`
      : ''
    return `<h3>${status} · ${escape(is)}</h3>${json}`
  })
  return (
    `<details><summary><span class="method ${method}">${verb.toUpperCase()}</span>` +
    `<code>${escape(templateOf(path))}</code><span>${escape(summary)}</span>` +
    `<span class="needs">${NEEDS[needs]}</span></summary><div>` +
    (more === undefined ? '' : `<p>${prose(more)}</p>`) +
    (rows.length === 0 ? '' : `<h3>Inputs</h3><table>${rows.join('')}</table>`) +
    (body
      ? `<h3>Body · ${body.types.join(', ')}</h3><pre>${escape(JSON.stringify(schemaJson(body.schema, 'input'), null, 1))}</pre>`
      : '') +
    `${outcomes.join('')}</div></details>`
  )
}

/** What is in backticks is code. */
function prose(text: string): string {
  return escape(text).replace(/`([^`]+)`/g, '<code>$1</code>')
}

function idOf(tag: string): string {
  return tag.toLowerCase().replace(/\W+/g, '-')
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
