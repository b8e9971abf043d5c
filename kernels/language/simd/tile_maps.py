"""Whole tiles at once: element-wise operations, reductions of rows and columns, transposition."""
