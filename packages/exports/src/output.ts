/** Bytes that are written one after the other, into memory that is used again and again. */
export class Output {
  #bytes = Buffer.allocUnsafe(4 * 1024)
  #length = 0

  /** Starts anew. */
  clear(): void {
    this.#length = 0
  }

  /** What was written, as long as nothing is written anew. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  bytes(from: Buffer, start = 0, end = from.length): void {
    this.#reserve(end - start)
    const [to, length] = [this.#bytes, this.#length]
    // A call that copies costs more than to copy what is short.
    if (end - start > 96) from.copy(to, length, start, end)
    else for (let at = start; at < end; at++) to[length + at - start] = from[at] as number
    this.#length = length + end - start
  }

  text(text: string): void {
    this.bytes(Buffer.from(text))
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(2 * (this.#length + more))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
