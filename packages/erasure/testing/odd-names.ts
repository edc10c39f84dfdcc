import type { MadeWorld } from './random-schema.ts'

/** What names can be: reserved, in mixed case, with blanks, dots, quotes and letters of any script; some are our own aliases. */
export const oddWords: readonly string[] = [
  ...[
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
  ],
  ...[
    '1st',
    'back\\slash',
    'constructor',
    'toString',
    'person',
    'part',
    'place',
    'found',
    't',
    'b',
  ],
  ...['semi;--', '%I', '$1', '{person}', 'bytes', 'new', 'old'],
]

const word = ({ words }: MadeWorld, number: number) => words?.[number % words.length] ?? ''

export const schemaOf = ({ words }: MadeWorld, schema: string) =>
  words ? `${schema} "Ünd".x` : schema

export const relationOf = (world: MadeWorld, table: number) =>
  world.words ? word(world, table) : `t${table}`

/** As the data map writes it. */
export function tableOf(world: MadeWorld, schema: string, table: number): string {
  const parts = [schemaOf(world, schema), relationOf(world, table)]
  return parts
    .map((part) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part))
    .join('.')
}

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

/** As a statement writes it. */
export const quotedTable = (world: MadeWorld, schema: string, table: number) =>
  `${quoted(schemaOf(world, schema))}.${quoted(relationOf(world, table))}`

const fixed = ['k0', 'k1', 'payload', 'kind0', 'kind1', 'kind2', 'l0_to0_0', 'l1_to0_0', 'l2_to0_0']

/** What a column is called in this world. A link has one name in all tables, as its target has: others could be taken for it. */
export function columnOf(world: MadeWorld, plain: string): string {
  if (!world.words) return plain
  const place = fixed.indexOf(plain)
  return place < 0 ? `${word(world, 9)} ${plain}` : word(world, place)
}
