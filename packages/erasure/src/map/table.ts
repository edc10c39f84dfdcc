export interface Table {
  /** As in the data map: with its schema unless that is `public`. A part with a dot or a quote is quoted. */
  name: string
  schema: string
  /** The name without the schema. */
  relation: string
  /** Schema and name, quoted for SQL. */
  quoted: string
  columns: Map<string, Column>
  /** Its rows are in partitions, so a ctid alone does not identify a row. */
  partitioned: boolean
  /** The estimated number of rows; null before the first ANALYZE. */
  about: number | null
  /** The columns of each valid btree or hash index that covers every row. */
  indexes: string[][]
  /** The primary key first. */
  uniqueKeys: string[][]
  /** The triggers that refuse late rows. */
  fences: Fence[]
  /** Other triggers that run before each row is deleted or updated. */
  rowTriggers: { name: string; deletes: boolean; updates: boolean }[]
  /** The rules on updates and deletes. */
  rules: string[]
  /** Row-level security applies to the current role, even if that role owns the table. */
  rowSecurity: boolean
  owned: boolean
}

export interface Column {
  name: string
  /** Quoted for SQL. */
  quoted: string
  /** The oid of its type; for a domain, of the domain's base type. */
  typeOid: number
  /** Its declared type, as SQL for this session. */
  type: string
  /** A generated or identity column, which a statement cannot set. */
  generated: boolean
  /** A BEFORE trigger sees no stored value yet, and no trigger ever sees a virtual one. */
  computed: 'stored' | 'virtual' | null
  notNull: boolean
}

export interface Fence {
  timing: 'before' | 'after'
  /** The columns; schema, table and key that they reference; then pairs of a column and the value that a row must have. */
  args: string[]
}
