/**
 * Declares what a system stores about a person, by table and column. The plan is made from it and the live catalog.
 * Tables outside of `public` are named with their schema.
 */
export interface DataMap {
  /** The table with one row for each person. Its key is the person's id. */
  readonly person: { readonly table: string; readonly key: string }
  /** Every table from which foreign keys lead to a person, at any depth. */
  readonly tables: Readonly<Record<string, TableEntry>>
  /**
   * Folders that each hold the files of exactly one person, relative to the uploads folder. `{person}` stands for the
   * person's id and must be a whole path segment.
   */
  readonly folders?: Readonly<Record<string, FolderEntry>>
  /** A note for the reader of an export: plain text, shown on the archive's page and in its README. */
  readonly exportNote?: string
}

export interface FolderEntry {
  /** What the folder contains. */
  readonly description: string
  /** The folder's name in the export; false leaves it out. */
  readonly export: string | false
  /** Why the export leaves it out. */
  readonly reason?: string
  /** Why and until when its files outlive the person; without this, the erasure removes them. */
  readonly retain?: Retention
}

export interface TableEntry {
  /** What a row of the table is. */
  readonly description: string
  /** Erased before all other tables, because it holds keys that decrypt them. */
  readonly first?: true
  /** Each foreign key by its columns, separated by commas; and each column that references a person without a foreign key. */
  readonly references: Readonly<Record<string, LinkEntry>>
  readonly columns: Readonly<Record<string, ColumnEntry>>
  /** Set if each row names a file of the person. */
  readonly files?: FilesEntry
  /** Its name in the export. By default, the table name with dashes. */
  readonly export?: string
  /** The columns that sort its rows in the export. By default, the key. */
  readonly order?: readonly string[]
  /** Triggers that run before each row is deleted or overwritten and so could keep it: the reason why each is allowed. */
  readonly triggers?: Readonly<Record<string, string>>
}

export interface FilesEntry {
  /** The folder of the file, as named in `folders` of the map. */
  readonly folder: string
  /** The column with the file's path, relative to that folder. Null means that the row names no file. */
  readonly name: string
  /** The column with the file's size in bytes. */
  readonly bytes: string
}

/**
 * What happens to a row when the row that it references is erased. `delete`: it is erased too. `anonymize`: it stays, and its
 * columns with `on_erase` are overwritten. `keep`: nothing, because the referenced row is never erased.
 */
export type LinkRule = 'delete' | 'anonymize' | 'keep'

export type LinkEntry =
  | LinkRule
  | {
      readonly rule: LinkRule
      /** For a link without a foreign key: the referenced table and its column. */
      readonly to: string
      readonly by: string
      /** The link applies only to rows with these values, as for a polymorphic reference. */
      readonly where?: Readonly<Record<string, string>>
    }
  /** Other code erases the row; the text names it. */
  | { readonly handled_by: string }

export interface ColumnEntry {
  /** What the column says about the person. */
  readonly description: string
  /** Its name in the export; false leaves it out. */
  readonly export: string | false
  /** Why the export leaves it out. */
  readonly reason?: string
  /**
   * If the row outlives the person: the value that replaces this one. `with` names the reference that is anonymized together
   * with it; without `with`, anonymizing any reference of the row replaces it.
   */
  readonly on_erase?: { readonly set: null | string | number | boolean; readonly with?: string }
  /** If the row outlives the person: why this value does too, and until when. */
  readonly retain?: Retention
}

/** The legal basis and the duration: `reason: 'tax law, …'`, `until: 'ten years after the year of the invoice'`. */
export interface Retention {
  readonly reason: string
  readonly until: string
}
