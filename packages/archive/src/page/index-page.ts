import type { CollectedFile } from '../collect/collect-files.ts'
import type { CollectedDataset } from '../collect/collect-tables.ts'
import { type ArchiveFacts, explainArchive, formatTime } from './readme.ts'

/**
 * The page for reading the archive in a browser, from the unpacked folder, without network or scripts. Every value is
 * escaped; if one were not, the content security policy still blocks scripts and requests.
 */
export function renderIndexPage(
  facts: ArchiveFacts,
  datasets: CollectedDataset[],
  files: CollectedFile[],
): Buffer {
  const nonEmpty = datasets.filter(({ rows }) => rows > 0)
  const empty = datasets.filter(({ rows }) => rows === 0)
  return Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:">
<title>Your data</title>
<style>
${style}
</style>
</head>
<body>
<header>
<h1>Your data</h1>
${explainArchive(facts)
  .map((line) => `<p>${escapeHtml(line)}</p>`)
  .join('\n')}
${facts.note ? `<p>${escapeHtml(facts.note)}</p>` : ''}
<nav aria-label="Contents">
<ul>
${nonEmpty.map(({ dataset, rows }) => `<li><a href="#${dataset.name}">${escapeHtml(toTitle(dataset.name))}</a> <span>${rows.toLocaleString('en')}</span></li>`).join('\n')}
${files.length > 0 ? `<li><a href="#files">Files</a> <span>${files.length.toLocaleString('en')}</span></li>` : ''}
</ul>
</nav>
</header>
<main>
${nonEmpty.map(renderDataset).join('\n')}
${files.length > 0 ? renderFiles(files) : ''}
${empty.length > 0 ? `<section><h2>No data for</h2><p>${empty.map(({ dataset }) => escapeHtml(toTitle(dataset.name).toLowerCase())).join(', ')}</p></section>` : ''}
</main>
</body>
</html>
`)
}

function renderDataset({ dataset, rows, preview, entries }: CollectedDataset): string {
  const objects = preview.map((line) => preciseJson.parse(line, keepNumberText))
  const [only] = objects
  const links = entries.map(({ name }) => `<a href="${name}">${name}</a>`)
  const more =
    rows > objects.length
      ? `<p>The first ${objects.length.toLocaleString('en')} of ${rows.toLocaleString('en')}; all of them are in ${links[0]} and ${links[1]}.</p>`
      : ''
  return `<section id="${dataset.name}" aria-labelledby="${dataset.name}-title">
<h2 id="${dataset.name}-title">${escapeHtml(toTitle(dataset.name))}</h2>
${rows === 1 && only ? renderFacts(dataset.columns, only) : renderTable(dataset.name, dataset.columns, objects)}
${more}<p class="quiet">As files: ${links.slice(0, 2).join(', ')}</p>
</section>`
}

type Columns = CollectedDataset['dataset']['columns']

function renderFacts(columns: Columns, row: Record<string, unknown>): string {
  const facts = columns.map(
    ({ name, description, kind }) =>
      `<div><dt title="${escapeHtml(description)}">${escapeHtml(toTitle(name))}</dt><dd>${renderValue(row[name], kind)}</dd></div>`,
  )
  return `<dl>\n${facts.join('\n')}\n</dl>`
}

function renderTable(name: string, columns: Columns, rows: Record<string, unknown>[]): string {
  const head = columns.map(
    ({ name, description }) =>
      `<th scope="col" title="${escapeHtml(description)}">${escapeHtml(toTitle(name))}</th>`,
  )
  const body = rows.map(
    (row) =>
      `<tr>${columns.map(({ name, kind }) => `<td>${renderValue(row[name], kind)}</td>`).join('')}</tr>`,
  )
  return `<div class="wide" role="region" tabindex="0" aria-labelledby="${name}-title"><table>
<thead><tr>${head.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table></div>`
}

function renderFiles(files: CollectedFile[]): string {
  const items = files.map(({ name, wasCalled, description }) => {
    const link = `<a href="${name}">${escapeHtml(wasCalled)}</a>`
    return picturePattern.test(name)
      ? `<li><a href="${name}"><img src="${name}" alt="${escapeHtml(description)}" loading="lazy"></a>${link}</li>`
      : `<li>${link}</li>`
  })
  return `<section id="files" aria-labelledby="files-title">
<h2 id="files-title">Files</h2>
<ul class="files">
${items.join('\n')}
</ul>
</section>`
}

// No SVG: it can contain a script. An `img` does not run it, but showing it is not worth the risk.
const picturePattern = /\.(png|jpe?g|webp|gif|avif)$/

/** JSON with source text access (V8 11.4), which TypeScript's library does not declare yet. */
const preciseJson = JSON as unknown as {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { source?: string }) => unknown,
  ): Record<string, unknown>
  rawJSON(text: string): { rawJSON: string }
  isRawJSON(value: unknown): value is { rawJSON: string }
}

/** Keeps the text of a number: a database number can have more digits than a JavaScript number. */
function keepNumberText(
  _name: string,
  value: unknown,
  { source = '' }: { source?: string },
): unknown {
  return typeof value === 'number' ? preciseJson.rawJSON(source) : value
}

/** `createdAt`, `saved-passwords` → "Created at", "Saved passwords". */
function toTitle(name: string): string {
  const words = name.replaceAll(/[-_.]+/g, ' ').replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
  return words.charAt(0).toUpperCase() + words.slice(1).toLowerCase()
}

function renderValue(value: unknown, kind: Columns[number]['kind']): string {
  if (value === null || value === undefined) return '<span class="quiet">–</span>'
  if (preciseJson.isRawJSON(value)) return escapeHtml(value.rawJSON)
  if (kind === 'boolean') return value ? 'yes' : 'no'
  if (kind === 'time') {
    const at = new Date(String(value))
    return !(at.getUTCFullYear() <= 9_999)
      ? escapeHtml(String(value))
      : `<time datetime="${escapeHtml(String(value))}">${formatTime(at)}</time>`
  }
  return escapeHtml(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (one) => entities[one] ?? one)
}

const style = `:root { color-scheme: light dark; --ground: #eaf1f1; --sheet: #fff; --ink: #10262b; --quiet: #48626a; --line: #cfdedf; --key: #0b6567 }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1b20; --sheet: #14262c; --ink: #e4eff0; --quiet: #a3bcc0; --line: #2b4850; --key: #6cd3cf } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif }
header, section { max-width: 62rem; margin: 0 auto 1.25rem; padding: 1.5rem 1.75rem; background: var(--sheet); border: 1px solid var(--line); border-radius: 12px }
h1, h2 { font-family: Georgia, serif; font-weight: normal; margin: 0 0 .75rem }
h1 { font-size: 1.9rem } h2 { font-size: 1.35rem }
p { margin: 0 0 .75rem } a { color: var(--key) } .quiet { color: var(--quiet) }
nav ul { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; margin: 1rem 0 0; padding: 0; list-style: none }
nav span { color: var(--quiet) }
dl { margin: 0 0 .75rem } dl div { display: flex; gap: 1rem; padding: .4rem 0; border-bottom: 1px solid var(--line) }
dt { flex: 0 0 12rem; color: var(--quiet) } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap }
.wide { overflow-x: auto; margin-bottom: .75rem } .wide:focus-visible { outline: 2px solid var(--key); outline-offset: 2px }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 600; color: var(--quiet); white-space: nowrap }
th, td { padding: .45rem .9rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td { overflow-wrap: anywhere; min-width: 7rem; white-space: pre-wrap }
.files { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; margin: 0; padding: 0; list-style: none }
.files img { display: block; width: 100%; height: 9rem; object-fit: cover; border: 1px solid var(--line); border-radius: 8px; margin-bottom: .35rem }
.files a { overflow-wrap: anywhere }
@media (max-width: 40rem) { dl div { display: block } dt { flex: none } }`
