"""Loop ``model``: a surrogate that proposes, and learns from what came of it."""
