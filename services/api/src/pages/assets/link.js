// @ts-check
import { linkToken, post, reasonOf } from './api.js'
import { show } from './view.js'

/** @type {Record<number, string>} */
const states = { 400: 'unknown', 404: 'unknown', 409: 'not-ready', 410: 'gone' }

/**
 * Asks about the link that this page was opened with. Undefined when the answer was a refusal: then the page shows it.
 * @param {string} path
 */
export async function lookUp(path) {
  const token = linkToken()
  if (!token) return refuse('unknown')
  const reply = await post(path, { token })
  if (reply.status === 200) return reply.body
  const state = states[reply.status]
  return state ? refuse(state) : refuse('failed', { reason: reasonOf(reply) })
}

/**
 * @param {string} state
 * @param {Record<string, string>} facts
 */
function refuse(state, facts = {}) {
  show(state, facts)
  return undefined
}
