"""The fixtures of tests on a whole backbone."""

from tests.spine import lone, spine, working

__all__ = ["lone", "spine", "working"]
