"""The benchmark: the spine beside a bare loop and a naive rival, on the same servers."""
