/** A growing byte buffer whose memory is reused after `clear`. */
export class Output {
  writeBytes = Buffer.allocUnsafe(4 * 1024)
  /** The number of bytes written. A caller that writes to `bytes` directly calls `reserve` first. */
  length = 0

  clear(): void {
    this.length = 0
  }

  /** A view of the bytes written, valid until the next write. */
  written(): Buffer {
    return this.writeBytes.subarray(0, this.length)
  }

  byte(value: number): void {
    this.reserve(1)
    this.writeBytes[this.length++] = value
  }

  writeText(text: string): void {
    // For short text, the upper bound of three bytes for a character is faster than measuring.
    this.reserve(text.length < 1_024 ? 3 * text.length : Buffer.byteLength(text))
    this.length += this.writeBytes.write(text, this.length)
  }

  /** For a few bytes: a loop is faster than a call of `Buffer.copy`. */
  writeShort(from: Buffer): void {
    this.reserve(from.length)
    const [to, length] = [this.writeBytes, this.length]
    for (let at = 0; at < from.length; at++) to[length + at] = from[at] as number
    this.length += from.length
  }

  reserve(more: number): void {
    if (this.length + more <= this.writeBytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.length + more))
    this.writeBytes.copy(larger, 0, 0, this.length)
    this.writeBytes = larger
  }
}
