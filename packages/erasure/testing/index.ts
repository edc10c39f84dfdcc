export { eraseInPortions, raiseFences } from './fences.ts'
export { forumMap, makeForum } from './forum.ts'
export { kindOf, makeWorld, rowOf, rowsIn } from './make-world.ts'
export { columnOf, quoted, relationOf, schemaOf, tableOf } from './odd-names.ts'
export {
  losing,
  type MadeLink,
  type MadeTable,
  type MadeWorld,
  mapOf,
  payloadLink,
  worlds,
} from './random-schema.ts'
