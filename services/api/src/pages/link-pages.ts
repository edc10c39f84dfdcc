import { cancelPage } from './cancel-page.ts'
import { exportPage } from './export-page.ts'
import type { LinkPage } from './layout.ts'
import { statusPage } from './status-page.ts'

/** The pages that mailed links open. */
export const linkPages: LinkPage[] = [cancelPage, statusPage, exportPage]
