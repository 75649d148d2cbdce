"""What every implementation of a store must do, written once."""
