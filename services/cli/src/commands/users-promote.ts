import { setRole } from '@lethe/accounts'
import type { Command } from '../command.ts'

export const promoteUser: Command = async ([email], { db, print }) => {
  if (email === undefined) {
    print('Give the address that the user signed up with: users promote EMAIL')
    return 2
  }
  if (!(await setRole(db, email, 'administrator'))) {
    print('No active user has this address. Give the address that the user signed up with.')
    return 1
  }
  print('This user is now an administrator, from the next request on.')
  return 0
}
