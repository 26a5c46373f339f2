"""Reads a bronze table with PyIceberg and PyArrow."""

import datetime
import hashlib
import math

import pyarrow as pa
import pyarrow.compute as pc
import pyiceberg
from protocol import BETWEEN, DUPLICATES_MAX, HASH_DIGITS, NULL, SAMPLE_ROWS, SCALE, line_of, serve, summary
from pyiceberg.catalog import load_catalog
from pyiceberg.table import StaticTable

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def table_of(place):
    keys = place.get("s3")
    s3 = {}
    if keys:
        s3 = {
            "s3.endpoint": keys["endpoint"],
            "s3.region": keys["region"],
            "s3.access-key-id": keys["accessKey"],
            "s3.secret-access-key": keys["secretKey"],
            "s3.path-style-access": "true",
        }
    if place.get("catalogUri"):
        catalog = load_catalog("lake", type="rest", uri=place["catalogUri"], **s3)
        return catalog.load_table((*place["namespace"], place["table"]))
    return StaticTable.from_metadata(place["metadata"], properties=s3)


def columns_of(table):
    return [(field.name, str(field.field_type)) for field in table.schema().fields]


def batches(table, snapshot, names):
    scan = table.scan(selected_fields=names, snapshot_id=snapshot)
    for batch in scan.to_arrow_batch_reader():
        yield batch.select(list(names))


def micros(value):
    return (value - EPOCH) // MICROSECOND


def text(value, kind):
    if value is None:
        return NULL
    if kind.startswith("timestamp"):
        return str(micros(value))
    if kind == "double":
        return str(math.floor(value * SCALE + 0.5))
    return value if kind == "string" else str(value)


def hash_of(batch, columns):
    texts = [
        [text(value, kind) for value in batch.column(name).to_pylist()] for name, kind in columns
    ]
    return sum(
        int(hashlib.md5(BETWEEN.join(row).encode()).hexdigest()[:HASH_DIGITS], 16)
        for row in zip(*texts)
    )


def snapshot_of(table, asked):
    if asked.get("snapshot"):
        return int(asked["snapshot"])
    current = table.current_snapshot()
    return current.snapshot_id if current else None


def read(asked):
    table = table_of(asked["place"])
    columns, snapshot = columns_of(table), snapshot_of(table, asked)
    hashed = asked.get("checksum", True)
    selected = tuple(name for name, _ in columns) if hashed else ("partition", "offset")
    names, total = [], 0
    if snapshot is not None:
        for batch in batches(table, snapshot, selected):
            names.append(batch.select(["partition", "offset"]))
            if hashed:
                total += hash_of(batch, columns)
    partitions, duplicates = counted(names)
    sample = []
    if snapshot is not None:
        sample = table.scan(snapshot_id=snapshot, limit=SAMPLE_ROWS).to_arrow().to_pylist()
    return summary(
        partitions,
        duplicates,
        version=pyiceberg.__version__,
        snapshot=None if snapshot is None else str(snapshot),
        snapshots=len(table.metadata.snapshots),
        properties=dict(table.properties),
        columns=[{"name": name, "type": kind} for name, kind in columns],
        checksum=str(total) if hashed else None,
        sample=sample,
    )


def counted(names):
    if not names:
        return [], []
    each = pa.Table.from_batches(names).group_by(["partition", "offset"]).aggregate([([], "count_all")])
    times = each["count_all"]
    each = each.append_column("total", pc.multiply(each["offset"], times))
    by_partition = each.group_by("partition").aggregate(
        [
            ("count_all", "sum"),
            ("offset", "count"),
            ("offset", "min"),
            ("offset", "max"),
            ("total", "sum"),
        ]
    )
    order = ("partition", "count_all_sum", "offset_count", "offset_min", "offset_max", "total_sum")
    twice = each.filter(pc.greater(times, 1)).sort_by([("partition", "ascending"), ("offset", "ascending")])
    duplicates = twice.slice(0, DUPLICATES_MAX).to_pylist()
    return (
        list(zip(*(by_partition[name].to_pylist() for name in order))),
        [(row["partition"], row["offset"], row["count_all"]) for row in duplicates],
    )


def export(asked):
    table = table_of(asked["place"])
    kinds, snapshot = dict(columns_of(table)), snapshot_of(table, asked)
    names = tuple(asked.get("columns") or kinds)
    rows = 0
    with open(asked["file"], "w", encoding="utf-8") as file:
        if snapshot is None:
            return {"rows": 0, "snapshot": None}
        for batch in batches(table, snapshot, names):
            values = [exported(batch.column(name).to_pylist(), kinds[name]) for name in names]
            file.writelines(line_of(dict(zip(names, row))) + "\n" for row in zip(*values))
            rows += batch.num_rows
    return {"rows": rows, "snapshot": str(snapshot)}


def exported(values, kind):
    if kind.startswith("timestamp"):
        return [None if value is None else micros(value) for value in values]
    if kind == "date":
        return [None if value is None else value.isoformat() for value in values]
    return values


serve({"read": read, "export": export})
