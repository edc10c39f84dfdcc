import type { ProblemType } from '../problem-types.ts'
import type { Page } from './layout.ts'

/** The page that a problem's `type` names: what the error means, and what to do next. */
export function problemPage(code: string, { status, title, help }: ProblemType): Page {
  const heading = escapeText(title)
  return {
    title: heading,
    main: `<h1>${heading}</h1>
<p>${escapeText(help).replace(/`([^`]+)`/g, '<code>$1</code>')}</p>
<dl class="facts">
<div><dt>Status</dt><dd>${status}</dd></div>
<div><dt>Type</dt><dd><code>/problems/${code}</code></dd></div>
</dl>
<p class="quiet">Programs receive this error as <code>application/problem+json</code> (RFC 9457). The whole API is described at <a href="/docs">/docs</a>.</p>`,
  }
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
