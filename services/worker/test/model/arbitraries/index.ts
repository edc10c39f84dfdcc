import fc from 'fast-check'
import type { CommandTemplate } from './arbitrary.ts'
import {
  anyArchiveOpening,
  anyCancelByPassword,
  anyCancelByToken,
  anyDeletionRequest,
  anyRequestByAdministrator,
  anyStatusLookup,
  anyVaultOpening,
} from './deletions.ts'
import {
  anyDispatch,
  anyDoubleSend,
  anyRun,
  anyRunOf,
  anySweep,
  anyUndueErasure,
  anyWorkerPause,
  anyWorkerResume,
} from './jobs.ts'
import { anyDemotion, anyLogIn, anyRoleChange, anySignUp } from './people.ts'
import {
  anyPasswordChange,
  anyPasswordSave,
  anyRefresh,
  anySessionRead,
  anyUpload,
} from './sessions.ts'

/** Commands of users. */
export const anyUserCommand = fc.oneof(
  { weight: 12, arbitrary: anySignUp },
  { weight: 10, arbitrary: anyLogIn },
  { weight: 1, arbitrary: anyRoleChange },
  { weight: 2, arbitrary: anySessionRead },
  { weight: 3, arbitrary: anyRefresh },
  { weight: 4, arbitrary: anyPasswordSave },
  { weight: 2, arbitrary: anyUpload },
  { weight: 1, arbitrary: anyPasswordChange },
  { weight: 26, arbitrary: anyDeletionRequest },
  { weight: 6, arbitrary: anyRequestByAdministrator },
  { weight: 9, arbitrary: anyCancelByToken },
  { weight: 6, arbitrary: anyCancelByPassword },
  { weight: 1, arbitrary: anyStatusLookup },
  { weight: 2, arbitrary: anyArchiveOpening },
  { weight: 1, arbitrary: anyVaultOpening },
)

/** Single steps of workers. */
export const anyWorkerCommand = fc.oneof(
  { weight: 6, arbitrary: anyDispatch },
  { weight: 3, arbitrary: anyUndueErasure },
  { weight: 8, arbitrary: anyRun },
  { weight: 3, arbitrary: anyWorkerPause },
  { weight: 6, arbitrary: anyWorkerResume },
  { weight: 2, arbitrary: anyDoubleSend },
  { weight: 5, arbitrary: anySweep },
)

/** Commands during which a process may crash: they are atomic, or the model knows their steps. */
export const anyCrashableCommand = fc.oneof(
  { weight: 2, arbitrary: anySignUp },
  { weight: 2, arbitrary: anyRefresh },
  { weight: 2, arbitrary: anyPasswordSave },
  { weight: 5, arbitrary: anyDeletionRequest },
  { weight: 3, arbitrary: anyCancelByToken },
  { weight: 2, arbitrary: anyDispatch },
  { weight: 12, arbitrary: anyRun },
  { weight: 3, arbitrary: anyWorkerResume },
  { weight: 1, arbitrary: anySweep },
)

/** Commands that run concurrently: mostly pairs that are likely to conflict. */
export const anyConcurrentCommands = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(anyCancelByToken, anyRunOf('erase-accounts')) },
  { weight: 3, arbitrary: fc.tuple(anyCancelByToken, anyRunOf('export-accounts')) },
  { weight: 2, arbitrary: fc.tuple(anyCancelByToken, anyRunOf('send-mail')) },
  { weight: 2, arbitrary: fc.tuple(anyCancelByToken, anySweep) },
  {
    weight: 4,
    arbitrary: fc.tuple(
      anyDeletionRequest,
      fc.oneof(anyPasswordSave, anyRefresh, anyLogIn, anyUpload),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(
      anyDeletionRequest,
      fc.oneof(anyDeletionRequest, anyRequestByAdministrator),
    ),
  },
  { weight: 2, arbitrary: fc.tuple(anyDemotion, anyRequestByAdministrator) },
  { weight: 2, arbitrary: fc.tuple(anySignUp, fc.oneof(anySignUp, anyRunOf('erase-accounts'))) },
  { weight: 2, arbitrary: fc.tuple(anyDispatch, anyRun) },
  {
    weight: 2,
    arbitrary: anySweep.map((twice): [CommandTemplate, CommandTemplate] => [twice, twice]),
  },
  {
    weight: 6,
    arbitrary: anyRun.map((twice): [CommandTemplate, CommandTemplate] => [twice, twice]),
  },
  { weight: 2, arbitrary: anyRun.map((thrice) => [thrice, thrice, thrice]) },
  { weight: 3, arbitrary: fc.tuple(anyCrashableCommand, anyCrashableCommand) },
)
