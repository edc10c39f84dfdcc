import { layout } from './layout.ts'
import { plainText } from './plain-text.ts'
import { joint } from './words.ts'

export interface Mail {
  subject: string
  text: string
  html: string
}

/** A paragraph, a list, or a link with the words on its button. */
export type Block = string | { items: string[] } | { label: string; href: string }

/** Both parts of a mail are made from the same blocks, so that neither can say what the other does not. */
export function compose(subject: string, blocks: Block[]): Mail {
  return {
    subject,
    text: plainText(blocks).replaceAll(joint, ' '),
    html: layout(subject, blocks).replaceAll(joint, ' '),
  }
}
