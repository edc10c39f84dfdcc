/** Joins the words of a date or a size, so that no line breaks inside one; `compose` replaces it with a space. */
export const NO_BREAK_SPACE = '\u00a0'

const day = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
})
const time = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
  timeZone: 'UTC',
})
const sizes = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'].map(
  (unit, power) =>
    new Intl.NumberFormat('en-GB', {
      style: 'unit',
      unit,
      unitDisplay: power === 0 ? 'long' : 'short',
      maximumSignificantDigits: 3,
    }),
)

/** "27 December 2026", in UTC, for a subject line. */
export function formatDay(date: Date): string {
  return day.format(date)
}

/** "27 December 2026, 14:05 UTC". Drops the seconds, so that a deadline never appears later than it is. */
export function formatDate(date: Date): string {
  return joinWords(`${day.format(date)}, ${time.format(date)} UTC`)
}

/** "3.44 MB", with decimal units (powers of 1,000). */
export function formatBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), sizes.length - 1)
  return joinWords(sizes[power]?.format(bytes / 1000 ** power) ?? '')
}

function joinWords(words: string): string {
  return words.replaceAll(' ', NO_BREAK_SPACE)
}
