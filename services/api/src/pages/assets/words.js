// @ts-check

const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
const utcDay = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' })
const utcTime = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'UTC' })
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always' })
const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']

/**
 * A time twice: in the person's own calendar and time zone, and in UTC as in the mails.
 * @param {string} iso
 */
export function moment(iso) {
  const date = new Date(iso)
  const own = document.createElement('time')
  own.dateTime = iso
  own.lang = local.resolvedOptions().locale
  own.textContent = local.format(date)
  const utc = document.createElement('span')
  utc.className = 'utc'
  utc.textContent = `${utcDay.format(date)}, ${utcTime.format(date)} UTC`
  const both = document.createDocumentFragment()
  both.append(own, ' ', utc)
  return both
}

/**
 * "in 26 days", "in 5 hours", "at any moment": rounded down, so that the page never promises more time than there is.
 * @param {string} iso
 */
export function until(iso, now = Date.now()) {
  const minutes = Math.floor((Date.parse(iso) - now) / 60_000)
  if (minutes >= 48 * 60) return relative.format(Math.floor(minutes / (24 * 60)), 'day')
  if (minutes >= 120) return relative.format(Math.floor(minutes / 60), 'hour')
  if (minutes >= 1) return relative.format(minutes, 'minute')
  return minutes === 0 ? 'in less than a minute' : 'at any moment'
}

/**
 * "3.44 MB", in powers of a thousand.
 * @param {number} bytes
 */
export function size(bytes) {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1)
  return new Intl.NumberFormat('en', {
    style: 'unit',
    unit: units[power],
    unitDisplay: power === 0 ? 'long' : 'short',
    maximumSignificantDigits: 3,
  }).format(bytes / 1000 ** power)
}

/**
 * How often the archive was downloaded, and when last. A person who sees an unexpected number knows that another one has the link.
 * @param {number} downloads
 * @param {string | null | undefined} last
 */
export function fetched(downloads, last) {
  const words = document.createDocumentFragment()
  if (downloads === 0 || !last) words.append('not yet')
  else words.append(downloads === 1 ? 'once, ' : `${downloads} times, last `, moment(last))
  return words
}
