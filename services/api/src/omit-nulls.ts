/** Members that may be `null` become optional; the others stay required. */
type WithoutNulls<T> = { [K in keyof T as null extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as null extends T[K] ? K : never]?: Exclude<T[K], null>
}

/** Leaves out members that are `null`: facts that are not known yet. */
export function omitNulls<T extends object>(facts: T): WithoutNulls<T> {
  return Object.fromEntries(
    Object.entries(facts).filter(([, fact]) => fact !== null),
  ) as WithoutNulls<T>
}
