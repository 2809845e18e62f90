export interface User {
  id: string
  /** E.164, or national digits, as the service is set (PHONE_FORMAT); null: none. */
  phone: string | null
}

export interface QrCode {
  /** What the page gets as `scene`. */
  scene: string
  page: string
  envVersion: 'develop' | 'trial' | 'release'
}

/** What the component wants of the backend. Whatever goes wrong is thrown as a `Failure` (failure.ts). */
export interface Service {
  /** The user of the stored session; without one, of a new session, for which wx.login asks nobody anything. */
  signIn(): Promise<User>
  bindPhone(code: string): Promise<User>
  unbindPhone(): Promise<User>
  /** An image in base64. */
  qrCode(options: QrCode): Promise<string>
  signOut(): Promise<void>
}
