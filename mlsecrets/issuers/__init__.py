"""One file per service that mints credentials; `_http` is the only HTTP client."""
