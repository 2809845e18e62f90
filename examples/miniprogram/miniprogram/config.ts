/** Everything that is yours to set. */
export const config = {
  /** The service; `npm start` answers here. On a phone: HTTPS, and among the request domains (request 合法域名). */
  url: 'http://127.0.0.1:5678',

  /** ANON_KEY of the service: in the banner of `npm start`, and in its `.data/env`. It is no secret. */
  anonKey: '',

  /**
   * Without an appid of your own WeChat gives codes that nobody can redeem. With this, they come from the service's WeChat
   * simulator, in the develop version alone: trial and release always ask WeChat. Empty: the develop version asks WeChat, too.
   */
  simulator: 'http://127.0.0.1:5678/simulator',
}
