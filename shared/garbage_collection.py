"""The garbage collector of a process that handles large batches."""

import gc

# Python begins to look for garbage after 700 new objects, and a batch has some ten thousand, hardly any of them in a
# cycle: each look costs time and finds nothing.
_NEW_OBJECTS = 50_000


def collect_for_batches() -> None:
    """Look for garbage less often, and never among the objects that exist now, such as modules."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
