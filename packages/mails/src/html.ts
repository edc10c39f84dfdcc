const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** HTML that is safe to insert into other HTML. Only the template below creates it. */
export class Html {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

/** Escapes every value that is not HTML already, and joins arrays. */
export function html(parts: TemplateStringsArray, ...values: (string | Html | Html[])[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(escaped)))
}

function escaped(value: string | Html | Html[]): string {
  if (typeof value === 'string') return escapeHtml(value)
  return [value].flat().reduce((joined, { source }) => joined + source, '')
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
}
