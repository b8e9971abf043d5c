"""Loop ``engine``: the engine's own kernels, evolved and put to work in it."""
