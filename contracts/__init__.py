"""The language: frozen models of everything that travels, written for the counterparty."""
