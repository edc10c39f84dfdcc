// @ts-check
const EVERY_MS = 1000
const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id))

/** @typedef {{ id: number, receivedAt: string, from: string, to: string, subject: string, text: string }} Mail */
/** @type {Mail[]} */
let mails = []
/** @type {Mail | undefined} */
let shown
let view = 'text'

async function refresh() {
  try {
    const response = await fetch('/api/mails')
    /** @type {Mail[]} */
    const now = await response.json()
    if (now[0]?.id !== mails[0]?.id) {
      if (mails.length > 0) at('news').textContent = `New mail: ${now[0]?.subject}`
      mails = now
      list()
      if (!shown && mails[0]) await show(mails[0])
    }
  } catch {
    at('news').textContent = 'The inbox does not answer; is it still running?'
  }
  setTimeout(refresh, EVERY_MS)
}

function list() {
  at('none').hidden = mails.length > 0
  at('list').replaceChildren(
    ...mails.map((mail) => {
      const button = document.createElement('button')
      button.type = 'button'
      button.append(mail.subject, small(`${mail.to} · ${time(mail)}`))
      button.setAttribute('aria-current', String(mail.id === shown?.id))
      button.addEventListener('click', () => show(mail).then(() => at('subject').focus()))
      const item = document.createElement('li')
      item.append(button)
      return item
    }),
  )
}

/** @param {Mail} mail */
async function show(mail) {
  shown = mail
  list()
  at('mail').hidden = false
  at('subject').textContent = mail.subject
  at('from').textContent = mail.from
  at('to').textContent = mail.to
  at('received').textContent = time(mail)
  at('text').replaceChildren(...withLinks(mail.text))
  const frame = /** @type {HTMLIFrameElement} */ (at('html'))
  frame.src = `/api/mails/${mail.id}/html`
  at('source').textContent = await (await fetch(`/api/mails/${mail.id}/source`)).text()
}

/** @param {string} text */
function withLinks(text) {
  return text.split(/(https?:\/\/\S+)/).map((part, n) => {
    if (n % 2 === 0) return part
    const link = document.createElement('a')
    link.href = part
    link.target = '_blank'
    link.rel = 'noreferrer'
    link.textContent = part
    return link
  })
}

/** @param {string} text */
function small(text) {
  const element = document.createElement('small')
  element.textContent = text
  return element
}

/** @param {Mail} mail */
function time(mail) {
  return new Date(mail.receivedAt).toLocaleTimeString()
}

for (const button of document.querySelectorAll('#views button'))
  button.addEventListener('click', () => {
    view = /** @type {HTMLElement} */ (button).dataset.view ?? 'text'
    for (const other of document.querySelectorAll('#views button'))
      other.setAttribute('aria-pressed', String(other === button))
    for (const name of ['text', 'html', 'source']) at(name).hidden = name !== view
  })

void refresh()
