"""Reads tables as others do and says what they see, one JSON line for each reader. Argument: a JSON object."""

import json
import sys

asked = json.loads(sys.argv[1])
s3 = {
    "s3.endpoint": asked["endpoint"],
    "s3.access-key-id": asked["accessKey"],
    "s3.secret-access-key": asked["secretKey"],
    "s3.region": asked["region"],
    "s3.path-style-access": "true",
}


def say(reader, **seen):
    print(json.dumps({"reader": reader, **seen}), flush=True)


def summary(table):
    rows = table.scan(selected_fields=("partition", "offset", "order_id", "event_date")).to_arrow()
    names = set(zip(rows["partition"].to_pylist(), rows["offset"].to_pylist()))
    return {"rows": rows.num_rows, "distinct": len(names), "sum": sum(rows["offset"].to_pylist())}


def with_pyiceberg():
    from pyiceberg.catalog import load_catalog
    from pyiceberg.table import StaticTable

    if asked.get("uri"):
        catalog = load_catalog("lake", type="rest", uri=asked["uri"], **s3)
        table = catalog.load_table((asked["namespace"], "raw_delivery_data"))
    else:
        table = StaticTable.from_metadata(asked["metadata"], properties=s3)
    say("pyiceberg", **summary(table), offsets=table.properties["orrery.offsets"])
    if asked.get("append"):
        # A snapshot of another program, with an id of 63 bits, on top of ours.
        last = table.scan(limit=1).to_arrow()
        table.append(last.cast(table.schema().as_arrow()))
        say("append", id=str(table.current_snapshot().snapshot_id), rows=1)


def with_duckdb():
    import importlib.util

    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute("set autoinstall_known_extensions=false")
    for name in ("httpfs", "avro", "iceberg"):
        found = importlib.util.find_spec(f"duckdb_extension_{name}")
        folder = found.submodule_search_locations[0]
        connection.load_extension(f"{folder}/extensions/v{duckdb.__version__}/{name}.duckdb_extension")
    host = asked["endpoint"].removeprefix("http://")
    connection.execute(
        f"create secret (type s3, key_id '{asked['accessKey']}', secret '{asked['secretKey']}', "
        f"region '{asked['region']}', endpoint '{host}', url_style 'path', use_ssl false)"
    )
    if asked.get("uri"):
        connection.execute(
            f"attach '' as lake (type iceberg, endpoint '{asked['uri']}', "
            "authorization_type 'none', access_delegation_mode 'none')"
        )
        table = f"lake.{asked['namespace']}.raw_delivery_data"
    else:
        table = f"iceberg_scan('{asked['metadata']}')"
    query = f'select count(*), count(distinct (partition, "offset")), sum("offset") from {table}'
    rows, distinct, total = connection.execute(query).fetchone()
    say("duckdb", rows=rows, distinct=distinct, sum=int(total))


with_pyiceberg()
with_duckdb()
