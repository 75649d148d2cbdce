"""The decisions: pure functions from values to values; nothing here waits, reads a clock or draws a number."""
