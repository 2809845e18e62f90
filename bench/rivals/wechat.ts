import { createServer, type ServerResponse } from 'node:http'
import { APPID } from '../keys.ts'
import { listen } from './common.ts'

// WeChat without latency, quotas or memory: a code says itself what it stands for, `p<phone>.<nonce>` or `o<openid>.<nonce>`.

const answer = (res: ServerResponse, body: object) =>
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const meant = (code: string) => code.slice(1).split('.')[0]!

const server = createServer((req, res) => {
  const { pathname, searchParams } = new URL(req.url!, 'http://wechat')
  if (pathname === '/sns/jscode2session') {
    const openid = meant(searchParams.get('js_code') ?? '')
    return answer(res, { openid, session_key: 'c2Vzc2lvbl9rZXkgb2YgbW9uZQ==' })
  }
  if (pathname !== '/wxa/business/getuserphonenumber')
    return answer(res, { access_token: 'token', expires_in: 7200 })
  const chunks: Buffer[] = []
  req.on('data', chunk => chunks.push(chunk))
  req.on('end', () => {
    const purePhoneNumber = meant(JSON.parse(Buffer.concat(chunks).toString()).code)
    const watermark = { timestamp: Math.floor(Date.now() / 1000), appid: APPID }
    const phone_info = { phoneNumber: purePhoneNumber, purePhoneNumber, countryCode: '86', watermark }
    answer(res, { errcode: 0, errmsg: 'ok', phone_info })
  })
})
server.keepAliveTimeout = 60_000
listen(server)
