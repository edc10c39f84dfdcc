/** A paragraph, a list, or a link with the text of its button. */
export type Block = string | { items: string[] } | { label: string; href: string }
