"""The analysis of a whole register: which of its records may be of one thing; a second process."""
