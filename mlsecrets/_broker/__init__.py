"""One lease per node: `serve` in the process that owns it, `attach` in its workers."""
