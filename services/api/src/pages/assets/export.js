// @ts-check
import { linkToken, post, reasonOf } from './api.js'
import { lookUp } from './link.js'
import { busy, one, show, start } from './view.js'
import { fetched, moment, size } from './words.js'

// The download cookie lasts a day, but not longer than the archive. Renew it an hour earlier.
const OPEN_FOR_MS = 23 * 3_600_000
let openUntil = 0

const download = one('[data-download]')
const form = /** @type {HTMLFormElement} */ (one('[data-passwords]'))
const password = /** @type {HTMLInputElement} */ (one('#password'))
const button = /** @type {HTMLElement} */ (form.querySelector('button'))
const notice = one('#password-notice')
const destroy = one('[data-destroy]')
const destroyNotice = one('#destroy-notice')

async function load() {
  const answer = await lookUp('/v1/exports/open')
  if (!answer) return
  const { bytes, createdAt, expiresAt, sha256, downloads, downloadedAt, opensVault } = answer.export
  openUntil = Math.min(Date.now() + OPEN_FOR_MS, Date.parse(expiresAt))
  one('[data-vault]').hidden = !opensVault
  show('ready', {
    size: size(bytes),
    createdAt: moment(createdAt),
    expiresAt: moment(expiresAt),
    downloads: fetched(downloads, downloadedAt),
    sha256,
  })
}

/** Asks twice, because it cannot be undone. */
async function destroyArchive() {
  if (destroy.dataset.destroy !== 'sure') {
    destroy.dataset.destroy = 'sure'
    destroy.textContent = 'Yes, destroy it for good'
    destroyNotice.textContent =
      'Have you downloaded what you want to keep? Press once more to destroy the archive.'
    return
  }
  const reply = await post('/v1/exports/destroy', { token: linkToken() })
  if (reply.status === 200) show('destroyed')
  else if (reply.status === 410) show('gone')
  else destroyNotice.textContent = reasonOf(reply)
}

/** Renews an expired cookie before the browser downloads the file. @param {Event} event */
async function reopen(event) {
  if (Date.now() < openUntil) return
  event.preventDefault()
  openUntil = 0
  await load()
  if (openUntil) download.click()
}

async function fetchPasswords() {
  notice.textContent = 'One moment …'
  password.removeAttribute('aria-invalid')
  const reply = await post('/v1/exports/passwords', {
    token: linkToken(),
    password: password.value,
  })
  if (reply.status === 200) {
    save(reply.body, 'saved-passwords.csv')
    password.value = ''
    notice.textContent = 'Done. The file with your passwords is in your downloads.'
  } else if (isWrong(reply)) {
    notice.textContent = 'That is not the password of this account. Check it and try again.'
    password.setAttribute('aria-invalid', 'true')
    password.select()
  } else if (reply.status === 409 || reply.status === 410) {
    const over = one('[data-passwords-over]')
    form.hidden = true
    over.hidden = false
    over.focus()
  } else notice.textContent = reasonOf(reply)
}

/** A password that the API rejects as malformed is not this account's password either. @param {import('./api.js').Reply} reply */
function isWrong({ status, code }) {
  return status === 400 || status === 401 || code === 'wrong-password'
}

/**
 * @param {Blob} file
 * @param {string} name
 */
function save(file, name) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = name
  link.click()
  // The browser may still be reading; a minute is plenty for a small file.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

download.addEventListener('click', reopen)
form.addEventListener('submit', async (event) => {
  event.preventDefault()
  await busy(button, fetchPasswords)
})
destroy.addEventListener('click', () => busy(destroy, destroyArchive))
await start(load)
