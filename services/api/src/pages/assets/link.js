// @ts-check
import { linkToken, post, reasonOf } from './api.js'
import { show } from './view.js'

/** @type {Record<number, string>} */
const states = { 400: 'unknown', 404: 'unknown', 409: 'not-ready', 410: 'gone' }

/**
 * Looks up the link that opened this page. Returns undefined and shows the reason when the lookup fails.
 * @param {string} path
 */
export async function lookUp(path) {
  const token = linkToken()
  if (!token) return showFailure('unknown')
  const reply = await post(path, { token })
  if (reply.status === 200) return reply.body
  const state = states[reply.status]
  return state ? showFailure(state) : showFailure('failed', { reason: reasonOf(reply) })
}

/**
 * @param {string} state
 * @param {Record<string, string>} facts
 */
function showFailure(state, facts = {}) {
  show(state, facts)
  return undefined
}
