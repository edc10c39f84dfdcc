/** A generated table: its key has one or two columns, and its rows reference rows of other tables. */
export interface MadeTable {
  keys: 1 | 2
  links: MadeLink[]
  /** The link whose clearing overwrites the payload; or any link, or none. */
  payload: number | 'any' | 'keep'
  payloadType: 'text' | 'varchar(8)' | 'char(8)' | 'mood'
  partitioned: boolean
  /** The key is a unique constraint and not a primary key. */
  uniqueOnly: boolean
}

export interface MadeLink {
  target: number
  rule: 'delete' | 'anonymize'
  /** Declared in the data map with a kind column, without a foreign key. */
  declared: boolean
  /** The type of the kind column. */
  kindType: 'text' | 'char(5)' | 'word'
  /** The constraint is checked at the end of the transaction. */
  deferred: boolean
}

/** A row: for each link of its table, the index of the referenced row in the target table, or null. */
export type MadeRow = (number | null)[]

export interface MadeWorld {
  /** The first table holds the people. */
  tables: MadeTable[]
  rows: MadeRow[][]
  /** Indexes of the people who are erased together. */
  erased: number[]
  /** The chunk size, if each person is first erased in chunks. */
  chunkSize: number | null
  /** The names of tables and columns, in this order; null for plain names. */
  words: string[] | null
  /** A trigger that runs before each delete or update of a row. */
  trigger: { table: number; does: 'keep' | 'copy' } | null
}
