// One key for each action that stands on the page with `data-key`; in lists j and k go down and up. Keys can be turned
// off (WCAG 2.1.4), and are never taken while something is typed.
const OFF = 'mpi-keys-off'
const place = document.getElementById('keys')
const rows = [...document.querySelectorAll('[data-rows] tbody tr')]
const actions = new Map()
let at = -1

function name (element) {
  const label = element.id && document.querySelector(`label[for="${CSS.escape(element.id)}"]`)
  return element.dataset.keyName || (label || element).textContent.trim().replace(/\s+/g, ' ')
}

function go (step) {
  at = Math.min(Math.max(at + step, 0), rows.length - 1)
  rows[at]?.querySelector('a')?.focus()
}

function run (element) {
  if (element.matches('input[type="radio"], button, a, summary')) element.click()
  if (!element.matches('button, a')) element.focus()
}

for (const element of document.querySelectorAll('[data-key]')) actions.set(element.dataset.key, [name(element), () => run(element)])
if (rows.length) {
  actions.set('j', ['Next line', () => go(1)])
  actions.set('k', ['Line before', () => go(-1)])
  if (rows[0].querySelector('input[type="checkbox"]')) {
    actions.set('x', ['Select the line', () => rows[Math.max(at, 0)].querySelector('input[type="checkbox"]').click()])
  }
}

actions.set('Esc', ['Leave a field', () => {}])
let off = window.localStorage.getItem(OFF) === 'yes'

function show () {
  const list = document.getElementById('keys-list')
  list.replaceChildren(...[...actions].map(([key, [text]]) => {
    const item = document.createElement('li')
    const mark = document.createElement('kbd')
    mark.textContent = key
    item.append(mark, ` ${text}`)
    return item
  }))
  list.hidden = off
  document.getElementById('keys-switch').textContent = off ? 'Turn keys on' : 'Turn keys off'
  place.hidden = actions.size < 2
}

if (place) {
  show()
  document.getElementById('keys-switch').addEventListener('click', () => {
    off = !off
    window.localStorage.setItem(OFF, off ? 'yes' : 'no')
    show()
  })
  document.addEventListener('keydown', (event) => {
    const typing = event.target.matches('textarea, select, input:not([type="radio"]):not([type="checkbox"])')
    if (typing && event.key === 'Escape') event.target.blur()
    if (off || typing || event.ctrlKey || event.altKey || event.metaKey || !actions.has(event.key)) return
    event.preventDefault()
    actions.get(event.key)[1]()
  })
}
