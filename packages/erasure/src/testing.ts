export { eraseInPortions, raiseFences } from './testing/fences.ts'
export { forumMap, makeForum } from './testing/forum.ts'
export { kindOf, makeWorld, rowOf, rowsIn } from './testing/make-world.ts'
export { columnOf, quoted, relationOf, schemaOf, tableOf } from './testing/odd-names.ts'
export {
  losing,
  type MadeLink,
  type MadeTable,
  type MadeWorld,
  mapOf,
  payloadLink,
  worlds,
} from './testing/random-schema.ts'
