"""Where documents live: the protocol, its two implementations, and the bytes between them."""
