import type { MadeWorld } from './made-world.ts'

/** Difficult names: reserved words, mixed case, blanks, dots, quotes, non-ASCII letters, and aliases that our statements use. */
export const ODD_NAMES: readonly string[] = [
  'select',
  'user',
  'Order',
  'userId',
  'two words',
  'a.b',
  'x, y',
  'Größe',
  'ČÁST',
  "it's",
  'say "hi"',
  '1st',
  'back\\slash',
  'constructor',
  'toString',
  'person',
  'table_oid',
  'number',
  'found',
  't',
  'b',
  'semi;--',
  '%I',
  '$1',
  '{person}',
  'bytes',
  'new',
  'old',
]

const word = ({ words }: MadeWorld, number: number) => words?.[number % words.length] ?? ''

export const schemaOf = ({ words }: MadeWorld, schema: string) =>
  words ? `${schema} "Ünd".x` : schema

export const relationOf = (world: MadeWorld, table: number) =>
  world.words ? word(world, table) : `t${table}`

/** The name of a table in the data map. */
export function tableOf(world: MadeWorld, schema: string, table: number): string {
  const parts = [schemaOf(world, schema), relationOf(world, table)]
  return parts
    .map((part) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part))
    .join('.')
}

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

/** The name of a table in SQL. */
export const quotedTable = (world: MadeWorld, schema: string, table: number) =>
  `${quoted(schemaOf(world, schema))}.${quoted(relationOf(world, table))}`

const plainNames = [
  'k0',
  'k1',
  'payload',
  'kind0',
  'kind1',
  'kind2',
  'l0_to0_0',
  'l1_to0_0',
  'l2_to0_0',
]

/** The name of a column in this world. A link column has the same name in all tables: other names could be taken for a link. */
export function columnOf(world: MadeWorld, plain: string): string {
  if (!world.words) return plain
  const place = plainNames.indexOf(plain)
  return place < 0 ? `${word(world, 9)} ${plain}` : word(world, place)
}
