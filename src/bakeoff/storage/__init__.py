"""Files of one folder, as bytes under keys: whole or not there, found by pattern, made once where that is asked.

Whoever keeps something in a place that may be a folder or a bucket goes through `Storage`.
"""

from bakeoff.storage.base import Entry, File, Storage
from bakeoff.storage.local import LocalStorage, local_file

__all__ = ["Entry", "File", "LocalStorage", "Storage", "local_file"]
