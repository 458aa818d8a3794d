"""Benchmarks: ``chat bench``.

The figures are printed and written to `docs/performance.md`. No test checks them, because a slow machine is
no fault.
"""
