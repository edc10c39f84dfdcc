import type { FailedJob } from '@lethe/queue'
import type { Metric } from './metrics.ts'

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 2rem; width: 100% }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #8886; overflow-wrap: anywhere }
td.number { text-align: right; font-variant-numeric: tabular-nums }
`

/** The queue page: counts and failed jobs. Read-only, without scripts; it reloads itself. */
export function queuePage(metrics: Metric[], failed: FailedJob[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>Lethe: queue</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Queue</h1>
${metrics.map(metricTable).join('\n')}
<h2>Failed jobs</h2>
${failed.length > 0 ? failedTable(failed) : '<p>None: every job could be handled.</p>'}
</main>
</body>
</html>
`
}

function metricTable({ help, samples }: Metric): string {
  const rows = samples.map(({ labels, value }) => {
    const name = Object.values(labels).join(', ')
    return `<tr><th scope="row">${escapeHtml(name)}</th><td class="number">${Math.round(value)}</td></tr>`
  })
  return `<h2>${escapeHtml(help)}</h2>
<table>${rows.join('') || '<tr><td>None.</td></tr>'}</table>`
}

function failedTable(failed: FailedJob[]): string {
  const rows = failed.map(
    ({ at, name, code, id }) =>
      `<tr><td>${at.toISOString()}</td><td>${escapeHtml(name)}</td><td>${escapeHtml(code)}</td><td>${escapeHtml(id)}</td></tr>`,
  )
  return `<table>
<tr><th scope="col">When</th><th scope="col">Job</th><th scope="col">Why</th><th scope="col">Id</th></tr>
${rows.join('\n')}
</table>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
