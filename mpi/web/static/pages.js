import { initAll } from './nhsuk/nhsuk-frontend.min.js'

initAll()

// After a search the results are what the reader came for.
document.getElementById('results')?.focus()
