/** Bytes that are written one after the other, into memory that is used again and again. */
export class Output {
  bytes = Buffer.allocUnsafe(4 * 1024)
  /** How many of them were written. Whoever writes into `bytes` themselves reserves the room before. */
  length = 0

  /** Starts anew. */
  clear(): void {
    this.length = 0
  }

  /** What was written, as long as nothing is written anew. */
  written(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  text(text: string): void {
    // Of what is short the most that it can be is sooner known than what it is.
    this.reserve(text.length < 1_024 ? 3 * text.length : Buffer.byteLength(text))
    this.length += this.bytes.write(text, this.length)
  }

  /** All of it is short: to call what copies would take longer than to copy. */
  short(from: Buffer): void {
    this.reserve(from.length)
    const [to, length] = [this.bytes, this.length]
    for (let at = 0; at < from.length; at++) to[length + at] = from[at] as number
    this.length += from.length
  }

  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.length + more))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }
}
