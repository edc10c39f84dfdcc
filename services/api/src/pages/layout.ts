import type { ReferrerPolicy } from './send-page.ts'

export interface Page {
  /** HTML, already escaped, as is `main`. */
  title: string
  main: string
  /** Name of its module in `assets/`; a page without one needs no JavaScript. */
  script?: string
}

/** A page behind a link in a mail. */
export interface LinkPage extends Page {
  path: string
  script: string
  referrerPolicy?: ReferrerPolicy
}

/** The frame of every page. `folder` is where the assets are served. */
export function layout({ title, script, main }: Page, folder: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · Lethe</title>
<link rel="icon" href="${folder}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${folder}/lethe.css">
<link rel="stylesheet" href="${folder}/parts.css">
${script ? `<script type="module" src="${folder}/${script}"></script>\n` : ''}</head>
<body>
<header><p class="name">Lethe</p></header>
<main>
${main}
</main>
<footer>
${script ? '<p>Opening this page changes nothing, and it loads nothing from other sites.</p>\n' : ''}${river}
</footer>
</body>
</html>
`
}

/** The loading section of a page that needs its script. */
export function loading(heading: string): string {
  return `<noscript>
<h1>Please allow JavaScript for this page</h1>
<p>This page needs JavaScript to send us your link. Allow it for this page and reload, or open the link from your mail in another browser. Nothing has been changed.</p>
</noscript>
${loadingSection(heading)}`
}

/** Shown until the script has an answer. The `late` paragraph appears when that takes long. */
export function loadingSection(heading: string): string {
  return `<section data-state="loading">
<h1 tabindex="-1">${heading}</h1>
<p>One moment.</p>
<p class="late">This takes longer than it should. Reload the page, or try again later: your link stays valid.</p>
</section>`
}

/** Shown when the request failed. */
export const failed = `<section data-state="failed" hidden>
<h1 tabindex="-1">That did not work</h1>
<p data-fact="reason"></p>
<button type="button" class="key" data-again>Try again</button>
</section>`

/** Shown for a link that we did not issue, or when the request failed. */
export const refusals = `<section data-state="unknown" hidden>
<h1 tabindex="-1">We don’t recognize this link</h1>
<p>Part of it may be missing. Open it again from the newest mail, or copy the whole link into the address bar, up to the last character.</p>
</section>
${failed}`

const river = `<svg class="river" viewBox="0 0 1200 120" preserveAspectRatio="none" aria-hidden="true" focusable="false">
<path d="M-200 48 Q-100 18 0 48 T200 48 T400 48 T600 48 T800 48 T1000 48 T1200 48 T1400 48 V120 H-200 Z"/>
<path d="M-200 70 Q-100 44 0 70 T200 70 T400 70 T600 70 T800 70 T1000 70 T1200 70 T1400 70 V120 H-200 Z"/>
<path d="M-200 94 Q-100 74 0 94 T200 94 T400 94 T600 94 T800 94 T1000 94 T1200 94 T1400 94 V120 H-200 Z"/>
</svg>`
