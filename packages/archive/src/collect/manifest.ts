import type { Plan } from '@lethe/erasure'
import type { AddedEntry } from '../zip/zip.ts'

/** The list of contents, for programs. `pnpm lethe export verify` checks the archive against it. */
export interface Manifest {
  formatVersion: 2
  madeAt: Date
  userId: number
  /** Sorted by name, without the manifest itself. `sha256` is the hash of the unpacked entry. */
  entries: (AddedEntry & { rows?: number; wasCalled?: string })[]
  leftOut: LeftOut[]
}

export interface LeftOut {
  what: string
  why: string
}

/** What the data map leaves out of every export, and why. */
export function findLeftOut({ map }: Plan): LeftOut[] {
  const columns = Object.entries(map.tables).flatMap(([table, entry]) =>
    Object.entries(entry.columns).flatMap(([column, { description, export: out, reason }]) =>
      out === false ? [{ what: `${table}.${column}: ${description}`, why: reason ?? '' }] : [],
    ),
  )
  const folders = Object.values(map.folders ?? {}).flatMap(
    ({ description, export: out, reason }) =>
      out === false ? [{ what: description, why: reason ?? '' }] : [],
  )
  return [...columns, ...folders]
}

export const formatManifest = (manifest: Manifest) =>
  Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
