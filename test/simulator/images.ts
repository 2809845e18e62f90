import { inflateSync } from 'node:zlib'
import jpeg from 'jpeg-js'
import QRCode from 'qrcode'

export interface Image {
  format: 'jpeg' | 'png'
  width: number
  height: number
  /** Red, green, blue and alpha of every pixel, row by row. */
  data: Buffer
}

/** The pixels of a JPEG or PNG, by its bytes. */
export const decodeImage = (bytes: Buffer): Image =>
  bytes[0] === 0xff ? { format: 'jpeg', ...jpeg.decode(bytes) } : { format: 'png', ...decodePng(bytes) }

/** The codes of the simulator have the least correction and a margin of four modules. */
const MARGIN = 4

/** Whether an image is the QR code of a text: the middle of every module, and that of the margin, looks as it has to. */
export function isCodeOf(text: string, { width, data }: Image): boolean {
  const { modules } = QRCode.create(text, { errorCorrectionLevel: 'L' })
  const pixelsPerModule = width / (modules.size + 2 * MARGIN)
  const middle = (module: number) => Math.floor((module + MARGIN + 0.5) * pixelsPerModule)
  for (let row = -MARGIN; row < modules.size + MARGIN; row += 1) {
    for (let column = -MARGIN; column < modules.size + MARGIN; column += 1) {
      const isInside = [row, column].every(module => module >= 0 && module < modules.size)
      const isDark = isInside && modules.get(row, column) === 1
      if (isDark !== looksDark(data, (middle(row) * width + middle(column)) * 4)) return false
    }
  }
  return true
}

const looksDark = (data: Buffer, at: number) => {
  const [r, g, b, alpha] = data.subarray(at, at + 4) as unknown as [number, number, number, number]
  return alpha > 128 && (r + g + b) / 3 < 192
}

/** The colour at the middle of the module in a corner of the code, which is always dark. */
export function lineColorOf(text: string, { width, data }: Image): number[] {
  const { modules } = QRCode.create(text, { errorCorrectionLevel: 'L' })
  const middle = Math.floor(((MARGIN + 0.5) * width) / (modules.size + 2 * MARGIN))
  return [...data.subarray((middle * width + middle) * 4, (middle * width + middle) * 4 + 3)]
}

/** How opaque the pixels are: every value there is. */
export function alphasOf({ data }: Image): number[] {
  const alphas = new Set<number>()
  for (let at = 3; at < data.length; at += 4) alphas.add(data[at]!)
  return [...alphas].sort((a, b) => a - b)
}

/** A PNG of eight bits, with alpha and not interlaced: what the simulator makes. */
function decodePng(png: Buffer) {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)]
  const parts: Buffer[] = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const isData = png.toString('latin1', at + 4, at + 8) === 'IDAT'
    if (isData) parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  }
  const lines = inflateSync(Buffer.concat(parts))
  const stride = width * 4
  const data = Buffer.alloc(stride * height)
  for (let y = 0; y < height; y += 1) {
    const filter = lines[y * (stride + 1)]!
    for (let x = 0; x < stride; x += 1) {
      const left = x < 4 ? 0 : data[y * stride + x - 4]!
      const up = y === 0 ? 0 : data[(y - 1) * stride + x]!
      const corner = x < 4 || y === 0 ? 0 : data[(y - 1) * stride + x - 4]!
      data[y * stride + x] = lines[y * (stride + 1) + 1 + x]! + guess(filter, left, up, corner)
    }
  }
  return { width, height, data }
}

/** What a filter of PNG takes the next byte for. */
function guess(filter: number, left: number, up: number, corner: number): number {
  if (filter < 2) return filter === 0 ? 0 : left
  if (filter < 4) return filter === 2 ? up : (left + up) >> 1
  // Without Math, which costs much in a test: there it is looked up anew every time.
  const a = up < corner ? corner - up : up - corner
  const b = left < corner ? corner - left : left - corner
  const sum = left + up - 2 * corner
  const c = sum < 0 ? -sum : sum
  if (a <= b && a <= c) return left
  return b <= c ? up : corner
}
