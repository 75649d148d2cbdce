"""The decisions: pure functions of values; nothing waits, reads a clock or draws a number."""
