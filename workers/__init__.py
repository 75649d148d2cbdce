"""The shell: everything that waits, stores, consumes and publishes; it decides no business."""

__version__ = "0.1.0"
