import fc from 'fast-check'

export const administrator = 'root@example.com'
export const addresses = [administrator, 'ada@example.com', 'ben@example.com', 'cleo@example.com']
export const password = 'correct horse'
export const wrongPassword = 'neither of them'

/** Mostly one of two addresses, in lower or upper case, so that people sign up again. */
export const anyAddress = fc
  .tuple(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...addresses.slice(1, 3)) },
      { weight: 2, arbitrary: fc.constantFrom(...addresses) },
    ),
    fc.boolean(),
  )
  .map(([email, loud]) => (loud ? email.toUpperCase() : email))
export const anyPassword = fc.constantFrom(password, 'battery staple')
