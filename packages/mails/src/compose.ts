import type { Block } from './block.ts'
import { NO_BREAK_SPACE } from './format.ts'
import { layout } from './layout.ts'
import { plainText } from './plain-text.ts'

export interface Mail {
  subject: string
  text: string
  html: string
}

/** Builds the text and the HTML from the same blocks, so that both state the same facts. */
export function compose(subject: string, blocks: Block[]): Mail {
  return {
    subject,
    text: plainText(blocks).replaceAll(NO_BREAK_SPACE, ' '),
    html: layout(subject, blocks).replaceAll(NO_BREAK_SPACE, ' '),
  }
}
