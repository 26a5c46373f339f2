"""Reads a bronze table with DuckDB and its own Iceberg extension."""

import importlib.util

import duckdb
from protocol import SAMPLE_ROWS, Dialect, serve, summary

SQL = Dialect('"', "epoch_us({})", "cast('0x' || {} as ubigint)", "varchar")

connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.execute("set autoinstall_known_extensions=false")
connection.execute("set autoload_known_extensions=false")
connection.execute("set timezone='UTC'")
for extension in ("httpfs", "avro", "iceberg"):
    found = importlib.util.find_spec(f"duckdb_extension_{extension}")
    folder = found.submodule_search_locations[0]
    connection.load_extension(f"{folder}/extensions/v{duckdb.__version__}/{extension}.duckdb_extension")


def run(statement):
    return connection.execute(statement).fetchall()


def quoted(value):
    return "'" + str(value).replace("'", "''") + "'"


class Source:
    """A table at one snapshot: queries of the same call see the same rows, whoever writes meanwhile."""

    def __init__(self, place, snapshot):
        use_keys(place.get("s3"))
        self.uri, self.path = place.get("catalogUri"), None
        if self.uri:
            # Attached anew for each call: an attached catalog may remember the tables that it has seen.
            run(
                f"attach '' as lake (type iceberg, endpoint {quoted(self.uri)}, "
                "authorization_type 'none', access_delegation_mode 'none')"
            )
            names = [*place["namespace"], place["table"]]
            self.table = "lake." + ".".join(f'"{name}"' for name in names)
        else:
            self.table = quoted(place["metadata"])
        try:
            self.snapshots = run(
                f"select snapshot_id from iceberg_snapshots({self.table}) order by sequence_number"
            )
            latest = self.snapshots[-1][0] if self.snapshots else None
            self.snapshot = int(snapshot) if snapshot else latest
        except BaseException:
            self.close()
            raise

    def relation(self):
        if self.uri:
            return self.table if self.snapshot is None else f"{self.table} at (version => {self.snapshot})"
        if self.snapshot is None:
            return f"iceberg_scan({self.table})"
        return f"iceberg_scan({self.table}, snapshot_from_id => {self.snapshot})"

    def columns(self):
        rows = run(f"describe select * from {self.relation()}")
        return [(row[0], kind_of(row[1])) for row in rows]

    def close(self):
        run("drop table if exists names")
        if self.uri:
            run("detach lake")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def use_keys(s3):
    if not s3:
        return
    secure, host = s3["endpoint"].split("://")
    run(
        f"create or replace secret lake_keys (type s3, key_id {quoted(s3['accessKey'])}, "
        f"secret {quoted(s3['secretKey'])}, region {quoted(s3['region'])}, endpoint {quoted(host)}, "
        f"url_style 'path', use_ssl {'true' if secure == 'https' else 'false'})"
    )


def kind_of(name):
    """Its types in Iceberg's words, where they differ."""
    named = {
        "VARCHAR": "string",
        "INTEGER": "int",
        "BIGINT": "long",
        "TIMESTAMP WITH TIME ZONE": "timestamptz",
    }
    return named.get(name, name.lower())


def read(asked):
    with Source(asked["place"], asked.get("snapshot")) as source:
        columns = source.columns()
        hashed = asked.get("checksum", True)
        number = SQL.hash(columns) if hashed else "0"
        run(
            "create or replace temp table names as "
            f'select "partition", "offset", {number} as hash from {source.relation()}'
        )
        partitions, duplicates, checksum = SQL.summarise(run, "names", hashed)
        found = connection.execute(f"select * from {source.relation()} limit {SAMPLE_ROWS}")
        named = [column[0] for column in found.description]
        return summary(
            partitions,
            duplicates,
            version=duckdb.__version__,
            snapshot=None if source.snapshot is None else str(source.snapshot),
            snapshots=len(source.snapshots),
            properties=None,
            columns=[{"name": name, "type": kind} for name, kind in columns],
            checksum=checksum,
            sample=[dict(zip(named, row)) for row in found.fetchall()],
        )


def export(asked):
    with Source(asked["place"], asked.get("snapshot")) as source:
        kinds = dict(source.columns())
        names = asked.get("columns") or list(kinds)
        selected = ", ".join(SQL.exported(name, kinds[name]) for name in names)
        query = f"select {selected} from {source.relation()}"
        rows = run(f"copy ({query}) to {quoted(asked['file'])} (format json)")[0][0]
        return {"rows": rows, "snapshot": None if source.snapshot is None else str(source.snapshot)}


serve({"read": read, "export": export})
