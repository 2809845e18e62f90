import { noAnswer } from '../service/failure'

export interface Answer {
  status: number
  /** Parsed where it is JSON, else text. */
  data: unknown
}

/** wx.request as a promise. How long it waits is in app.json (networkTimeout), for MemFire's SDK just as well. */
export const post = (url: string, data: object, header: Record<string, string> = {}) =>
  new Promise<Answer>((resolve, reject) => {
    wx.request({
      url,
      method: 'POST',
      data,
      header: { 'content-type': 'application/json', ...header },
      success: ({ statusCode, data }) => resolve({ status: statusCode, data }),
      fail: ({ errMsg }) => reject(noAnswer(errMsg)),
    })
  })
