/** `account-gone`: there is nobody left to export, and trying again will not help. */
export class ExportError extends Error {
  readonly code: 'account-gone'

  constructor(code: 'account-gone', message: string) {
    super(message)
    this.name = 'ExportError'
    this.code = code
  }
}
