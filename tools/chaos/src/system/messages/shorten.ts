/** Without what is another at each time, and not too long to be read. */
export function shorten(text: string): string {
  return text
    .replace(/--[^\n]*\n/g, ' ')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*')
    .replace(/\d{4,}|\d+(?=::bigint)/g, '#')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 160)
}
