/** Removes the parts that vary between runs, and limits the length. */
export function shorten(text: string): string {
  return text
    .replace(/--[^\n]*\n/g, ' ')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*')
    .replace(/\d{4,}|\d+(?=::bigint)/g, '#')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 160)
}
