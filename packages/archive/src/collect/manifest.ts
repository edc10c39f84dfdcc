import type { Plan } from '@lethe/erasure'
import type { Added } from '../zip/zip.ts'

/** What a program finds in an archive; `pnpm lethe export verify` holds the archive to it. */
export interface Manifest {
  formatVersion: 2
  madeAt: Date
  userId: number
  /** In the order of their names, without the manifest itself. `sha256` is of the entry as unpacked. */
  entries: (Added & { rows?: number; wasCalled?: string })[]
  leftOut: LeftOut[]
}

export interface LeftOut {
  what: string
  why: string
}

/** What the data map leaves out of every export, and why. */
export function leftOutOf({ map }: Plan): LeftOut[] {
  const columns = Object.entries(map.tables).flatMap(([table, entry]) =>
    Object.entries(entry.columns).flatMap(([column, { is, export: out }]) =>
      typeof out === 'object' ? [{ what: `${table}.${column}: ${is}`, why: out.not }] : [],
    ),
  )
  const folders = Object.values(map.folders ?? {}).flatMap(({ is, export: out }) =>
    typeof out === 'object' ? [{ what: is, why: out.not }] : [],
  )
  return [...columns, ...folders]
}

export const manifestText = (manifest: Manifest) =>
  Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
