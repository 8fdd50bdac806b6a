"""Modal: the app, authentication, launching once, status, prices, the volume."""
