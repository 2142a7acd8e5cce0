"""One technique for one student, drawn by name."""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Any

from bakeoff import techniques
from bakeoff.errors import RequestError


def pick(pool: Sequence[str], seed: str) -> dict[str, Any]:
    """One technique of a list: the same for the same seed, such as a student's name, on every machine.

    Neither the order of the list nor capitals, spaces and the encoding of accents in the seed make a difference.

    Raises RequestError if the list is empty, or names what isn't a technique or is there twice.
    """
    known = [techniques.get(name).name for name in pool]
    if not known:
        raise RequestError("there is no technique to pick from (--from A,B,C)")
    if twice := next((name for name in known if known.count(name) > 1), None):
        raise RequestError(f"technique '{twice}' is there twice (--from)")
    told = " ".join(unicodedata.normalize("NFKC", seed).casefold().split())
    if not told:
        raise RequestError("the seed is empty; give a name or a number (--seed NAME)")
    among = sorted(known, key=techniques.names().index)
    drawn = int.from_bytes(
        hashlib.blake2b(told.encode(errors="surrogatepass")).digest()
    )  # no generator: their streams change with versions
    name = among[drawn % len(among)]
    return {"technique": name, "title": techniques.get(name).card.title, "from": among, "seed": seed}
