export { createFences, eraseInChunks } from './fences.ts'
export { forumMap, makeForum } from './forum.ts'
export type { MadeLink, MadeTable, MadeWorld } from './made-world.ts'
export { kindOf, makeWorld, rowOf, rowsIn } from './make-world.ts'
export { columnOf, quoted, relationOf, schemaOf, tableOf } from './odd-names.ts'
export {
  mapOf,
  payloadLink,
  tablesLosingRows,
  worlds,
} from './random-schema.ts'
