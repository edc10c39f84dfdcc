import { setRole } from '@lethe/accounts'
import type { Command } from '../command.ts'

export const promoteUser: Command = async ([email], { db, print }) => {
  if (email === undefined) {
    print('Whom? Give the address they signed up with: users promote EMAIL')
    return 2
  }
  if (!(await setRole(db, email, 'administrator'))) {
    print('There is no active user with this address; give the one they signed up with.')
    return 1
  }
  print('This user is an administrator now, with the next request.')
  return 0
}
