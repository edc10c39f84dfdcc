/**
 * What a system holds of a person, declared table by table and column by column; from it and from the live catalog
 * the plan is made. Tables outside `public` are named with their schema.
 */
export interface DataMap {
  /** The table with one row for each person. Its key is the person's number. */
  readonly person: { readonly table: string; readonly key: string }
  /** Every table from which foreign keys lead to a person, at any depth. */
  readonly tables: Readonly<Record<string, TableEntry>>
  /**
   * Folders that hold the files of one person and of nobody else, below the folder of all uploads. `{person}` is a whole
   * part of the name, and stands for the person's number.
   */
  readonly folders?: Readonly<Record<string, FolderEntry>>
  /** What whoever reads an export should know besides: plain text, for the page and the README in it. */
  readonly exportNote?: string
}

export interface FolderEntry {
  /** What lies in it. */
  readonly is: string
  /** The folder's name in the export, or why it is not there. */
  readonly export: string | { readonly not: string }
  /** It goes with the person, unless there is a reason to keep it. */
  readonly erase?: Kept
}

export interface TableEntry {
  /** What a row of it is. */
  readonly is: string
  /** Erased before all other tables: it holds the keys that open them. */
  readonly first?: true
  /** Each foreign key by its columns, separated by commas; and each column that names somebody without one. */
  readonly links: Readonly<Record<string, LinkEntry>>
  readonly columns: Readonly<Record<string, ColumnEntry>>
  /** Where each row names a file of the person's. */
  readonly files?: FilesEntry
  /** What it is called in the export; its own name, with dashes, where nothing is said. */
  readonly export?: string
  /** The columns by which the rows are in order there; those of its key where nothing is said. */
  readonly order?: readonly string[]
  /** Triggers that run before each row is deleted or overwritten, and so can keep it: why each may stay. */
  readonly triggers?: Readonly<Record<string, string>>
}

export interface FilesEntry {
  /** The folder that the file is in, as `folders` of the map names it. */
  readonly folder: string
  /** The column with the file's name, from that folder on; a row with null in it names none. */
  readonly name: string
  /** The column with its size in bytes. */
  readonly bytes: string
}

/**
 * What becomes of a row when the row that it points at is erased: it is erased too (`delete`), it stays and the columns
 * that say `to` are overwritten (`clear`), or nothing, because that row is never erased (`stays`).
 */
export type LinkRule = 'delete' | 'clear' | 'stays'

export type LinkEntry =
  | LinkRule
  | {
      readonly rule: LinkRule
      /** Without a foreign key: the table that is pointed at, and by which of its columns. */
      readonly to: string
      readonly by: string
      /** Only for rows that hold these values: a link that leads to one table or another. */
      readonly where?: Readonly<Record<string, string>>
    }
  /** Erased by other means, which are named. */
  | { readonly otherwise: string }

export interface ColumnEntry {
  /** What it says of the person. */
  readonly is: string
  /** Its name in the export, or why it is not there. */
  readonly export: string | { readonly not: string }
  /**
   * Where the row outlives the person: what is written in its place, or why it is kept and for how long. `with` names the
   * link that is cleared together with it; without that, it is overwritten with any.
   */
  readonly erase?: { readonly to: null | string | number | boolean; readonly with?: string } | Kept
}

/** On what legal basis, and for how long: `keep: 'tax law, …'`, `until: 'ten years after the year of the invoice'`. */
export interface Kept {
  readonly keep: string
  readonly until: string
}
