import type { Violation } from './violations.ts'

/**
 * JSON Pointers to the strings that PostgreSQL cannot store: those with a NUL character, or with half of a
 * surrogate pair. Walks without recursion, since a body may nest deeper than the stack.
 */
function pointersToUnstorable(body: unknown): string[] {
  const pointers: string[] = []
  const waiting: [pointer: string, value: unknown][] = [['#', body]]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [pointer, value] = next
    if (typeof value === 'string') {
      if (value.includes('\0') || !value.isWellFormed()) pointers.push(pointer)
    } else if (isJsonContainer(value)) {
      for (const [name, member] of Object.entries(value))
        waiting.push([`${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, member])
    }
  }
  return pointers.reverse()
}

/** The same as violations of a request. */
export function findUnstorableText(body: unknown): Violation[] {
  return pointersToUnstorable(body).map((pointer) => ({
    in: 'body',
    pointer,
    detail: 'must not contain a NUL character or half of a surrogate pair',
  }))
}

/** Plain objects and arrays. Streams and buffers are not searched. */
function isJsonContainer(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
}
