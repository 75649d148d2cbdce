"""The shell: everything that waits, stores, consumes and publishes; it decides no business."""
