const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

/** Extracts what a mail program shows of an HTML mail: its text and its link targets. */
export function readHtml(html: string): { text: string; links: string[] } {
  const body = html.slice(html.indexOf('<body'))
  return {
    text: decode(body.replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' '),
    links: [...body.matchAll(/href="([^"]*)"/g)].map(([, href = '']) => decode(href)),
  }
}

function decode(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '')
}
