// @ts-check
import { linkToken, post, reasonOf } from './api.js'
import { lookUp } from './link.js'
import { all, busy, one, show, start } from './view.js'
import { moment, until } from './words.js'

/** The section for a deletion that can no longer be cancelled. @type {Record<string, string>} */
const over = { cancelled: 'already-cancelled', erasing: 'erasing', erased: 'erased' }

async function load() {
  const answer = await lookUp('/v1/deletions/status')
  if (!answer) return
  const { status, eraseAfter } = answer.deletion
  show(over[status] ?? 'pending', { until: until(eraseAfter), eraseAfter: moment(eraseAfter) })
}

async function keep() {
  const notice = one('[data-state="pending"] .notice')
  notice.textContent = 'One moment …'
  const reply = await post('/v1/deletions/cancel', { token: linkToken() })
  const state = over[reply.body?.deletionStatus]
  if (reply.status === 200) show('cancelled')
  else if (reply.status === 409 && state) show(state)
  else if (reply.status === 404) show('unknown')
  else notice.textContent = reasonOf(reply)
}

for (const button of all('[data-keep]')) button.addEventListener('click', () => busy(button, keep))
await start(load)
