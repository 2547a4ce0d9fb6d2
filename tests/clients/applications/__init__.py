"""Applications from PyPI in three regions: each writes in one region and reads in the others, with
its own API."""
