import type { Identity } from './identity.ts'
import type { MarkPlace } from './mark-place.ts'
import { reach } from './unreachable.ts'

const about =
  'The files here belong to one database of Lethe. Leave this file in its place; docs/operations.md, "Folders and their marks".'

/** `damaged` is a mark that cannot be read as one: whose folder it is, is not known. */
export type Mark = Identity | 'none' | 'damaged'

export async function readMark(place: MarkPlace): Promise<Mark> {
  const text = await reach(place.read)
  return text === undefined ? 'none' : parse(text)
}

/** Leaves a mark alone that is there already: of two processes that start at once, both read the mark of the first. */
export async function createMark(place: MarkPlace, identity: Identity): Promise<Mark> {
  await reach(() => place.create(textOf(identity)))
  return readMark(place)
}

export async function replaceMark(place: MarkPlace, identity: Identity): Promise<void> {
  await reach(() => place.replace(textOf(identity)))
}

function textOf({ id, system, database }: Identity): string {
  return `${JSON.stringify({ about, id, system, database }, null, 2)}\n`
}

function parse(text: string): Mark {
  try {
    const { id, system, database } = JSON.parse(text) as Record<string, unknown>
    const isSystem = system === null || typeof system === 'string'
    if (typeof id === 'string' && isSystem && typeof database === 'string')
      return { id, system, database }
  } catch {}
  return 'damaged'
}
