"""The shell: everything that waits, stores, consumes and publishes, and holds no business decision."""
