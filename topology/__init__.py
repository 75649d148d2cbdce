"""The map: which type goes where and who may send it, derived from contracts and handlers."""
