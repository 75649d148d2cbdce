"""Which codes an operation can be answered with, found out from the sources."""
