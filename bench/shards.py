"""Which format images in a bucket are read from at random the fastest: files, tar files by ranges, Parquet.

    python -m bench.shards [--images 2000] [--bytes 25000] [--read 1000]

Images of noise on a real S3 server of this machine (moto), read in a random order by 16 threads, nothing kept. An S3 of
the network's own has more latency, which 16 requests at once hide, and a price for each request. What counts besides is
how much is sent for an image: a row group of a Parquet file comes whole.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bakeoff.data import members
from bakeoff.data.folders import Folders, Part
from bakeoff.data.shards import read_index, write_shards
from bakeoff.storage import open_storage
from tests.buckets import CREDENTIALS, make_bucket, s3_server

URL = "s3://lab"
THREADS = 16


def _objects(folder: Path, names: list[str]) -> Callable[[int], bytes]:
    """Every image an object of its own."""
    storage = open_storage(f"{URL}/files")
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda name: storage.write(name, (folder / name).read_bytes()), names))
    return lambda row: storage.read(names[row]) or b""


def _tar(folder: Path, names: list[str]) -> Callable[[int], bytes]:
    """Ours."""
    part = Part(np.array(names, object), np.zeros(len(names), np.int64))
    write_shards(folder, Folders(("a",), {"all": part}), f"{URL}/tar", look=False)
    os.environ[members.CACHE] = "0"
    found = read_index(f"{URL}/tar").rows(names)
    return lambda row: bytes(found[row].content())


def _parquet(rows: int) -> Callable[[Path, list[str]], Callable[[int], bytes]]:
    """Row groups of so many images, of which the one with the image is read."""

    def make(folder: Path, names: list[str]) -> Callable[[int], bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyarrow.fs import S3FileSystem

        table = pa.table({"image": [(folder / name).read_bytes() for name in names]})
        buffer = io.BytesIO()
        pq.write_table(table, buffer, row_group_size=rows, compression="none", use_dictionary=False)
        open_storage(f"{URL}/parquet").write(f"{rows}.parquet", buffer.getvalue())
        there = S3FileSystem(
            endpoint_override=os.environ["AWS_ENDPOINT_URL"],
            access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region=CREDENTIALS["AWS_REGION"],
        )
        file = pq.ParquetFile(there.open_input_file(f"lab/parquet/{rows}.parquet"))

        def read(row: int) -> bytes:
            found: bytes = file.read_row_group(row // rows)["image"][row % rows].as_py()
            return found

        return read

    return make


READERS = {
    "a file for each image": (_objects, 1),
    "tar, by ranges": (_tar, 1),
    "Parquet, row groups of 1": (_parquet(1), 1),
    "Parquet, row groups of 16": (_parquet(16), 16),
    "Parquet, row groups of 100": (_parquet(100), 100),
}


def main() -> None:
    """Read from each, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.shards", description=__doc__)
    for name, usual in (("images", 2000), ("bytes", 25_000), ("read", 1000)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    draw = np.random.default_rng(0)
    view = Table("format", "images/s", "sent for each that is read")
    with tempfile.TemporaryDirectory() as place, s3_server() as address:
        os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=address)
        make_bucket(address, "lab")
        names = [f"{number:06}.jpg" for number in range(asked.images)]
        for name in names:
            (Path(place) / name).write_bytes(draw.bytes(asked.bytes))
        order = draw.permutation(asked.images)[: asked.read].tolist()
        for name, (make, sent) in READERS.items():
            read = make(Path(place), names)
            began = time.perf_counter()
            with ThreadPoolExecutor(THREADS if "Parquet" not in name else 1) as pool:  # a ParquetFile takes one reader
                for row, data in zip(order, pool.map(read, order), strict=True):
                    assert data == (Path(place) / names[row]).read_bytes()
            view.add_row(name, f"{asked.read / (time.perf_counter() - began):.0f}", f"{sent}")
    Console().print(view)


if __name__ == "__main__":
    main()
