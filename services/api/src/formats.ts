import { parseUserId } from './user-id.ts'

/** What the schemas of the routes can say beside the formats that JSON Schema knows. */
export const formats = {
  'user-id': (text: string) => parseUserId(text) !== undefined,
  'password-bytes': (text: string) => {
    const bytes = Buffer.byteLength(text)
    return bytes >= 8 && bytes <= 1024
  },
}
