export { eraseInPortions, raiseFences } from './testing/fences.ts'
export { forumMap, makeForum } from './testing/forum.ts'
export { kindOf, makeWorld, rowOf } from './testing/make-world.ts'
export {
  losing,
  type MadeLink,
  type MadeTable,
  type MadeWorld,
  mapOf,
  payloadLink,
  worlds,
} from './testing/random-schema.ts'
