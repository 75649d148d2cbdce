"""What a check of `doctor` raises."""


class Fault(Exception):
    """Something is not as it should be; the text says what to do about it."""

    def __init__(self, expected: str, got: str, advice: str) -> None:
        """Say it in one sentence, and in another what helps."""
        super().__init__(f"expected {expected}, got {got}. {advice}")
