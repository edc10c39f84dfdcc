// @ts-check

/** @typedef {string | Node | Node[]} Fact */

/**
 * Shows one section of the page with these facts, sets the page's title to its heading, and focuses the heading.
 * @param {string} state
 * @param {Record<string, Fact>} facts
 */
export function show(state, facts = {}) {
  let shown
  for (const section of all('section[data-state]')) {
    section.hidden = section.dataset.state !== state
    if (!section.hidden) shown = section
  }
  if (!shown) throw new Error(`this page has no state ${state}`)
  fill(shown, facts)
  for (const notice of all('[role="status"]')) notice.textContent = ''
  const heading = /** @type {HTMLElement} */ (shown.querySelector('h1'))
  document.title = `${heading.textContent?.trim()} · Lethe`
  heading.focus()
}

/**
 * Puts each fact into the elements that `data-fact` names after it.
 * @param {ParentNode} root
 * @param {Record<string, Fact>} facts
 */
export function fill(root, facts) {
  for (const [name, fact] of Object.entries(facts))
    for (const place of all(`[data-fact="${name}"]`, root))
      place.replaceChildren(...(Array.isArray(fact) ? fact : [fact]))
}

/**
 * Runs the action of this button, one at a time. Uses `aria-disabled`, because a disabled button would lose the focus.
 * @param {HTMLElement} button
 * @param {() => Promise<void>} act
 */
export async function busy(button, act) {
  if (button.getAttribute('aria-disabled') === 'true') return
  button.setAttribute('aria-disabled', 'true')
  try {
    await act()
  } finally {
    button.removeAttribute('aria-disabled')
  }
}

/**
 * Looks the link up now, on "try again", and when another link is opened in the same tab.
 * @param {() => Promise<void>} load
 */
export async function start(load) {
  for (const button of all('[data-again]'))
    button.addEventListener('click', () => busy(button, load))
  addEventListener('hashchange', () => location.reload())
  for (const link of all('a[data-same-token]')) {
    const anchor = /** @type {HTMLAnchorElement} */ (link)
    anchor.hash = location.hash
  }
  await load()
}

/**
 * @param {string} selector
 * @param {ParentNode} root
 * @returns {Iterable<HTMLElement>}
 */
export function all(selector, root = document) {
  return root.querySelectorAll(selector)
}

/** @param {string} selector */
export function one(selector) {
  return /** @type {HTMLElement} */ (document.querySelector(selector))
}
