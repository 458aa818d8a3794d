"""Measures the chat: its fan-out next to other servers' (`fanout`), its start, its screen.

Figures are printed and written to `docs/performance.md`, never tested: a slow machine is no fault.
"""
