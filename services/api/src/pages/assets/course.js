// @ts-check
import { fetched, moment, size, until } from './words.js'

/**
 * @typedef {{ status: string, bytes?: number | null, expiresAt?: string | null, downloads?: number,
 *   downloadedAt?: string | null }} Archive
 * @typedef {{ status: string, requestedAt: string, eraseAfter: string, cancelledAt?: string | null,
 *   erasedAt?: string | null, export?: Archive | null }} Deletion
 * @typedef {'done' | 'now' | 'ahead' | 'stopped'} Stage
 */

/** Screen readers read this word in place of the visual mark. @type {Record<Stage, string>} */
const stages = { done: 'Done', now: 'Under way', ahead: 'Still to come', stopped: 'Stopped' }

/**
 * The steps of a deletion, as items of a list.
 * @param {Deletion} deletion
 * @returns {HTMLElement[]}
 */
export function course(deletion) {
  const { requestedAt, export: archive } = deletion
  return [
    step('done', 'Deletion requested', moment(requestedAt)),
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
        'We sent you its link in a separate mail',
        ...(expiresAt ? ['. It works until ', moment(expiresAt)] : []),
        '. Downloaded: ',
        fetched(downloads, downloadedAt),
      )
    case 'pending':
      return step('now', 'Archive of your data', 'We are making it, and will mail you its link.')
    case 'failed':
      return step('stopped', 'Archive of your data', 'We are sorry: we could not make it.')
    case 'withdrawn':
      return step(
        'stopped',
        'Archive of your data',
        'It was withdrawn when the deletion was cancelled, or destroyed with its link.',
      )
    default:
      return step('done', 'Archive of your data', 'It expired, and we have removed it.')
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
