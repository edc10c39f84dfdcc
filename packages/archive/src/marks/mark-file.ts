import type { Identity } from './identity.ts'
import type { MarkStore } from './mark-store.ts'
import { rejectAsUnreachable } from './unreachable.ts'

const about =
  'The files here belong to one database of Lethe. Leave this file in its place; docs/operations.md, "Folders and their marks".'

/** `damaged`: the file is not a valid mark, so the folder's database is unknown. */
export type Mark = Identity | 'none' | 'damaged'

export async function readMark(place: MarkStore): Promise<Mark> {
  const text = await rejectAsUnreachable(place.read)
  return text === undefined ? 'none' : parseMark(text)
}

/** Does not replace an existing mark: if two processes start at once, both read the mark of the first. */
export async function createMark(place: MarkStore, identity: Identity): Promise<Mark> {
  await rejectAsUnreachable(() => place.create(formatMark(identity)))
  return readMark(place)
}

export async function replaceMark(place: MarkStore, identity: Identity): Promise<void> {
  await rejectAsUnreachable(() => place.replace(formatMark(identity)))
}

function formatMark({ id, system, database }: Identity): string {
  return `${JSON.stringify({ about, id, system, database }, null, 2)}\n`
}

function parseMark(text: string): Mark {
  try {
    const { id, system, database } = JSON.parse(text) as Record<string, unknown>
    const isSystem = system === null || typeof system === 'string'
    if (typeof id === 'string' && isSystem && typeof database === 'string')
      return { id, system, database }
  } catch {}
  return 'damaged'
}
