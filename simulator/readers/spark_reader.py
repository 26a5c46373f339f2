"""Reads a bronze table with Spark and Iceberg's own runtime, through a REST catalog."""

import os

import pyspark
from protocol import SAMPLE_ROWS, Dialect, line_of, serve, summary
from pyspark.sql import SparkSession

SQL = Dialect("`", "unix_micros({})", "cast(conv({}, 16, 10) as decimal(38, 0))", "string")
CATALOG = "spark.sql.catalog.lake"

spark = (
    SparkSession.builder.master("local[2]")
    .appName("orrery-reader")
    .config("spark.jars", os.environ["ORRERY_SPARK_JARS"])
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "1g")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "4")
    .config("spark.sql.session.timeZone", "UTC")
    # Otherwise counts and bounds are answered from what we wrote into manifests, not from the rows.
    .config("spark.sql.iceberg.aggregate-push-down.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
attached = None


def run(statement):
    return [tuple(row) for row in spark.sql(statement).collect()]


def attach(place):
    """Keys are set here and not when it starts, where they would stand in the list of processes."""
    global attached
    if attached is not None and attached != place:
        raise ValueError("one reader of Spark reads one place")
    attached = place
    s3 = place["s3"]
    settings = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "rest",
        ".uri": place["catalogUri"],
        ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        ".s3.endpoint": s3["endpoint"],
        ".s3.path-style-access": "true",
        ".s3.access-key-id": s3["accessKey"],
        ".s3.secret-access-key": s3["secretKey"],
        ".client.region": s3["region"],
        # Each call must see what is there now.
        ".cache-enabled": "false",
    }
    for name, value in settings.items():
        spark.conf.set(f"{CATALOG}{name}", value)
    return "lake." + ".".join(f"`{name}`" for name in (*place["namespace"], place["table"]))


def at(asked):
    """The table at one snapshot, and its id."""
    table = attach(asked["place"])
    snapshot = asked.get("snapshot")
    if not snapshot:
        refs = run(f"select snapshot_id from {table}.refs where name = 'main'")
        snapshot = refs[0][0] if refs else None
    relation = table if snapshot is None else f"{table} version as of {int(snapshot)}"
    return table, relation, None if snapshot is None else str(snapshot)


def kinds_of(relation):
    named = {"bigint": "long", "timestamp": "timestamptz"}
    fields = spark.sql(f"select * from {relation}").schema.fields
    kinds = [(field.name, field.dataType.simpleString()) for field in fields]
    return [(name, named.get(kind, kind)) for name, kind in kinds]


def read(asked):
    table, relation, snapshot = at(asked)
    columns = kinds_of(relation)
    hashed = asked.get("checksum", True)
    number = SQL.hash(columns) if hashed else "0"
    names = spark.sql(f"select `partition`, `offset`, {number} as hash from {relation}")
    names.persist().createOrReplaceTempView("names")
    try:
        partitions, duplicates, checksum = SQL.summarise(run, "names", hashed)
    finally:
        names.unpersist()
    found = spark.sql(f"select * from {relation} limit {SAMPLE_ROWS}").collect()
    return summary(
        partitions,
        duplicates,
        version=pyspark.__version__,
        snapshot=snapshot,
        snapshots=run(f"select count(*) from {table}.snapshots")[0][0],
        properties=dict(run(f"show tblproperties {table}")),
        columns=[{"name": name, "type": kind} for name, kind in columns],
        checksum=checksum,
        sample=[row.asDict() for row in found],
    )


def export(asked):
    _, relation, snapshot = at(asked)
    kinds = dict(kinds_of(relation))
    names = asked.get("columns") or list(kinds)
    selected = ", ".join(SQL.exported(name, kinds[name]) for name in names)
    rows = 0
    with open(asked["file"], "w", encoding="utf-8") as file:
        for row in spark.sql(f"select {selected} from {relation}").toLocalIterator():
            file.write(line_of(dict(zip(names, row))) + "\n")
            rows += 1
    return {"rows": rows, "snapshot": snapshot}


serve({"read": read, "export": export})
