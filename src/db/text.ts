/** PostgreSQL's text holds neither NUL nor half a character. */
export const isStorableText = (text: string) => text.isWellFormed() && !text.includes('\0')
