import type { Block } from './block.ts'
import { layout } from './layout.ts'
import { plainText } from './plain-text.ts'
import { joint } from './words.ts'

export interface Mail {
  subject: string
  text: string
  html: string
}

/** Both parts of a mail are made from the same blocks, so that neither can say what the other does not. */
export function compose(subject: string, blocks: Block[]): Mail {
  return {
    subject,
    text: plainText(blocks).replaceAll(joint, ' '),
    html: layout(subject, blocks).replaceAll(joint, ' '),
  }
}
