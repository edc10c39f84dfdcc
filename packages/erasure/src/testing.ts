export { eraseInPortions, raiseFences } from './testing/fences.ts'
export { forumMap, makeForum } from './testing/forum.ts'
