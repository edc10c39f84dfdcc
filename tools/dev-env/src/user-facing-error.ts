/** What went wrong, in a sentence for the person at the terminal who can put it right. */
export class Sentence extends Error {
  override name = 'Sentence'
}
