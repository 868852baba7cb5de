"""The `plait` command: `plait run`, `plait doctor`, `plait --version`."""
