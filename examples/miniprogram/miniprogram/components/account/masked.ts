/** A number that its owner recognises and nobody else learns: 138****8000, +852****4567. */
export const masked = (phone: string): string => {
  const national = phone.replace(/^\+86/, '')
  return `${national.slice(0, -8)}****${national.slice(-4)}`
}
