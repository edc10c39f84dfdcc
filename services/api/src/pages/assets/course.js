// @ts-check
import { fetched, moment, size, until } from './words.js'

/**
 * @typedef {{ status: string, bytes?: number | null, expiresAt?: string | null, downloads?: number,
 *   downloadedAt?: string | null }} Archive
 * @typedef {{ status: string, requestedAt: string, eraseAfter: string, cancelledAt?: string | null,
 *   erasedAt?: string | null, export?: Archive | null }} Deletion
 * @typedef {'done' | 'now' | 'ahead' | 'stopped'} Stage
 */

/** The word that a screen reader reads for what the eye sees in the mark. @type {Record<Stage, string>} */
const stages = { done: 'Done', now: 'Under way', ahead: 'Still to come', stopped: 'Stopped' }

/**
 * The steps of a deletion, as items of a list.
 * @param {Deletion} deletion
 * @returns {HTMLElement[]}
 */
export function course(deletion) {
  const { requestedAt, export: archive } = deletion
  return [
    step('done', 'Deletion asked for', moment(requestedAt)),
    ...(archive ? [archiveStep(archive)] : []),
    lastStep(deletion),
  ]
}

/** @param {Archive} archive */
function archiveStep({ status, bytes, expiresAt, downloads = 0, downloadedAt }) {
  switch (status) {
    case 'ready':
      return step(
        'done',
        `Archive of your data ready${bytes ? ` (${size(bytes)})` : ''}`,
        'Its link came in a mail of its own',
        ...(expiresAt ? [', and works until ', moment(expiresAt)] : []),
        '. Fetched: ',
        fetched(downloads, downloadedAt),
      )
    case 'pending':
      return step(
        'now',
        'Archive of your data',
        'It is being made; a mail will bring you its link.',
      )
    case 'failed':
      return step('stopped', 'Archive of your data', 'It could not be made. We are sorry.')
    case 'withdrawn':
      return step(
        'stopped',
        'Archive of your data',
        'Withdrawn with the deletion, or destroyed by whoever had its link.',
      )
    default:
      return step('done', 'Archive of your data', 'Its time is over, and it has been removed.')
  }
}

/** @param {Deletion} deletion */
function lastStep({ status, eraseAfter, cancelledAt, erasedAt }) {
  switch (status) {
    case 'cancelled':
      return step('done', 'Cancelled: your account is active again', moment(cancelledAt ?? ''))
    case 'erased':
      return step('done', 'Account erased', moment(erasedAt ?? ''))
    case 'erasing':
      return step('now', 'Account being erased', 'Nothing can stop it any more.')
    default:
      return step('ahead', `Account to be erased ${until(eraseAfter)}`, moment(eraseAfter))
  }
}

/**
 * @param {Stage} stage
 * @param {string} title
 * @param {(string | Node)[]} details
 */
function step(stage, title, ...details) {
  const item = document.createElement('li')
  item.className = stage
  if (stage === 'now') item.setAttribute('aria-current', 'step')
  const heading = document.createElement('h2')
  const spoken = document.createElement('span')
  spoken.className = 'spoken'
  spoken.textContent = `${stages[stage]}: `
  heading.append(spoken, title)
  const text = document.createElement('p')
  text.append(...details)
  item.append(heading, text)
  return item
}
