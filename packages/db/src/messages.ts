// A message of PostgreSQL's protocol is one byte for its type, four for its length (which excludes the type), and a
// body.

export const HEADER_SIZE = 5

export function endOfMessage(messages: Buffer, at: number): number {
  return at + 1 + messages.readUInt32BE(at + 1)
}

/**
 * Splits the incoming bytes between messages and passes on as many whole messages as there are. An incomplete message
 * gets only the bytes that it lacks, because copying each chunk would cost more than reading it.
 */
export function splitMessages(pass: (messages: Buffer) => void): (chunk: Buffer) => void {
  let begun: Buffer[] = []
  let [has, needs] = [0, 0]
  const passWhole = (bytes: Buffer) => {
    let at = 0
    while (bytes.length - at >= HEADER_SIZE && endOfMessage(bytes, at) <= bytes.length)
      at = endOfMessage(bytes, at)
    has = bytes.length - at
    begun = has > 0 ? [bytes.subarray(at)] : []
    needs = has < HEADER_SIZE ? HEADER_SIZE : endOfMessage(bytes, at) - at
    if (at > 0) pass(bytes.subarray(0, at))
  }
  return (chunk) => {
    let rest = chunk
    while (has > 0 && rest.length > 0) {
      const part = rest.subarray(0, needs - has)
      begun.push(part)
      has += part.length
      rest = rest.subarray(part.length)
      if (has === needs) passWhole(Buffer.concat(begun))
    }
    if (rest.length > 0) passWhole(rest)
  }
}
