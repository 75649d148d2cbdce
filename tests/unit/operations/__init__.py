"""Of every operation what is tried: one file for a register, one `Operation` for a type.

A new command or query takes an `Operation` in the file of its register, with what is right to send,
on which documents, and for each code of its row what makes it wrong; `table.py` says what each part
means, and `tests/unit/test_operations.py` what is missing.
"""
