import type { Block } from './block.ts'
import { type Html, html } from './html.ts'

const sans = 'font-family:system-ui,-apple-system,Segoe UI,Roboto,Arial,sans-serif'

/**
 * Uses only what mail programs support: tables for the frame (Outlook renders with Word), inline colors, and one
 * style block that adds dark colors for the programs that support it. The mail loads nothing from a server.
 */
export function layout(title: string, blocks: Block[]): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${title}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark }
@media (prefers-color-scheme: dark) {
  .ground { background-color: #0d1b20 !important }
  .sheet { background-color: #14262c !important; border-color: #2b4850 !important }
  .ink { color: #e4eff0 !important }
  .quiet { color: #a3bcc0 !important }
  .link { color: #6cd3cf !important }
  .key { background-color: #6cd3cf !important }
  .key a { color: #06211f !important }
}
</style>
</head>
<body class="ground" bgcolor="#eaf1f1" style="margin:0;padding:0;background-color:#eaf1f1">
<table role="presentation" class="ground" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="#eaf1f1" style="background-color:#eaf1f1">
<tr><td align="center" style="padding:32px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:560px;table-layout:fixed">
<tr><td class="sheet" bgcolor="#ffffff" style="padding:32px 28px 16px;background-color:#ffffff;border:1px solid #cfdedf;border-radius:12px">
<h1 class="ink" style="margin:0 0 20px;font-family:Georgia,serif;font-size:25px;line-height:32px;font-weight:normal;color:#10262b">${title}</h1>
${blocks.map(blockOf)}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`.source
}

function blockOf(block: Block): Html {
  if (typeof block === 'string') return paragraph(block)
  return 'items' in block ? list(block.items) : link(block.label, block.href)
}

function paragraph(text: string): Html {
  return html`<p class="ink" style="${sans};margin:0 0 16px;font-size:16px;line-height:25px;color:#10262b">${text}</p>
`
}

function list(items: string[]): Html {
  return html`<ul class="ink" style="${sans};margin:0 0 16px;padding:0 0 0 22px;font-size:16px;line-height:25px;color:#10262b">
${items.map((item) => html`<li>${item}</li>\n`)}</ul>
`
}

/** A button, and below it the same link to read and copy. */
function link(label: string, href: string): Html {
  return html`<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:4px 0 12px">
<tr><td class="key" bgcolor="#0b6567" style="background-color:#0b6567;border-radius:8px">
<a href="${href}" style="${sans};display:inline-block;padding:13px 26px;font-size:17px;line-height:22px;font-weight:bold;color:#ffffff;text-decoration:none">${label}</a>
</td></tr>
</table>
<p class="quiet" style="${sans};margin:0 0 20px;font-size:13px;line-height:20px;color:#48626a;word-break:break-all"><a class="link" href="${href}" style="color:#0b6567">${href}</a></p>
`
}
