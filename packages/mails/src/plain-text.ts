import type { Block } from './block.ts'

const columns = 78

/** Wraps at 78 columns. A link is not wrapped and has a line of its own. */
export function plainText(blocks: Block[]): string {
  return `${blocks.map(textOf).join('\n\n')}\n`
}

function textOf(block: Block): string {
  if (typeof block === 'string') return wrap(block)
  if ('items' in block) return block.items.map((item) => wrap(item, '- ')).join('\n')
  return `${block.label}:\n${block.href}`
}

/** Indents the following lines by the width of the bullet. */
function wrap(text: string, bullet = ''): string {
  const indent = ' '.repeat(bullet.length)
  const lines: string[] = []
  let line = bullet
  for (const word of text.split(/[ \t\r\n]+/)) {
    const gap = line === bullet || line === indent ? '' : ' '
    if (gap && line.length + gap.length + word.length > columns) {
      lines.push(line)
      line = indent + word
    } else line += gap + word
  }
  return [...lines, line].join('\n')
}
