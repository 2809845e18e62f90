// `scene`: of the mini program code through which the page was opened.
Component({ properties: { scene: { type: String, value: '' } } })
