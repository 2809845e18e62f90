// Grafast asks for this when it is loaded, and warns at length where nobody answers.
process.env.GRAPHILE_ENV ??= 'production'
