// @ts-check
import { course } from './course.js'
import { lookUp } from './link.js'
import { one, show, start } from './view.js'
import { until } from './words.js'

/** @type {Record<string, string>} */
const headlines = {
  cancelled: 'The deletion was cancelled',
  erasing: 'Your account is being erased',
  erased: 'Your account has been erased',
}

async function load() {
  const answer = await lookUp('/v1/deletions/status')
  if (!answer) return
  const { deletion } = answer
  one('[data-keep]').hidden = deletion.status !== 'pending'
  const headline = headlines[deletion.status]
  show('report', {
    headline: headline ?? `Your account will be erased ${until(deletion.eraseAfter)}`,
    course: course(deletion),
  })
}

await start(load)
