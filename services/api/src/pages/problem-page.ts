import type { ProblemType } from '../problem-types.ts'
import type { Page } from './layout.ts'

/** What an error of the API means, and what to do: where the `type` of a problem leads. */
export function problemPage(code: string, { status, title, help }: ProblemType): Page {
  const heading = asText(title)
  return {
    title: heading,
    main: `<h1>${heading}</h1>
<p>${asText(help).replace(/`([^`]+)`/g, '<code>$1</code>')}</p>
<dl class="facts">
<div><dt>Status</dt><dd>${status}</dd></div>
<div><dt>Type</dt><dd><code>/problems/${code}</code></dd></div>
</dl>
<p class="quiet">Programs meet this as an answer of the type <code>application/problem+json</code> (RFC 9457). All of the API is described at <a href="/docs">/docs</a>.</p>`,
  }
}

function asText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
