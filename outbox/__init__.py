"""Durable promises: records of what must be sent, and the relay that sends them."""
