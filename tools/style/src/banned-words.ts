/** Words of the private dialect that this project once had, each with what to write instead; see docs/style.md. */
export const bannedWords: readonly { pattern: RegExp; instead: string }[] = [
  {
    pattern: /\bwho(m|s)?ever\b/i,
    instead: 'name the actor: worker, request, transaction, operator',
  },
  {
    pattern: /\b(some|any)body\b/i,
    instead: 'name the actor: worker, request, transaction, operator',
  },
  { pattern: /\bnobody\b/i, instead: 'name the actor, or say that there is none' },
  {
    pattern: /\b(is|are|was|were|be|been|not|ever) told\b|\btold (of|only|apart)\b/i,
    instead: 'shown, reported, known',
  },
  { pattern: /\btells? of\b/i, instead: 'reports, describes' },
  { pattern: /\banew\b/i, instead: 'again, or a new one' },
  {
    pattern: /\b(it|they|file|files|row|rows|archive|archives|which|that|there|where) lies?\b/i,
    instead: 'is, is stored',
  },
  { pattern: /\bhangs? on\b/i, instead: 'references, depends on' },
  { pattern: /\bfor want of\b/i, instead: 'because … is missing' },
  {
    pattern: /\bh(old|olds|eld) to (it|its|that|this|the|one)\b/i,
    instead: 'checked against, compared with',
  },
  { pattern: /\bso many\b/i, instead: 'the number, by its name' },
  { pattern: /\bas if nothing were\b/i, instead: 'what still works, in plain words' },
]
