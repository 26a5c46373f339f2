"""What every reader has in common: a JSON object a line in, its answer a line out, keys never among arguments."""

import json
import sys

# Between the values of a row, and in place of one that is null, in the text that a row's hash is made of.
BETWEEN, NULL = "\x1f", "\x1e"
# Decimal places of a number that count in the hash.
SCALE = 10_000_000
# So many digits of the hash make a number of 60 bits, which every engine can add.
HASH_DIGITS = 15
DUPLICATES_MAX = 10
SAMPLE_ROWS = 3

# One encoder for all rows: json.dumps makes one for each.
line_of = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def serve(calls):
    """Answers until its input ends. What a library prints goes to stderr: stdout is for answers."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"seen": calls[asked["call"]](asked)}
        except Exception as thrown:  # noqa: BLE001: whatever it is, the one who asked must hear it
            answer = {"error": f"{type(thrown).__name__}: {thrown}"[:4000]}
        print(json.dumps({"id": asked["id"], **answer}, default=str), file=out, flush=True)


def summary(partitions, duplicates, **seen):
    """Rows by partition (partition, rows, distinct, lowest, highest, sum of offsets), and names that are there twice."""
    named = ("partition", "rows", "distinct", "offsetMin", "offsetMax")
    return {
        "rows": sum(row[1] for row in partitions),
        "distinct": sum(row[2] for row in partitions),
        "partitions": [
            {**dict(zip(named, row)), "offsetSum": str(int(row[5]))} for row in sorted(partitions)
        ],
        "duplicates": [
            {"partition": partition, "offset": offset, "times": times}
            for partition, offset, times in duplicates
        ],
        **seen,
    }


class Dialect:
    """How an engine of SQL writes what ours is made of."""

    def __init__(self, quote, micros, number, whole):
        self.quote, self.micros, self.number, self.whole = quote, micros, number, whole

    def name(self, column):
        return f"{self.quote}{column}{self.quote}"

    def text(self, column, kind):
        """The text that stands for a value, the same in every engine."""
        name = self.name(column)
        if kind.startswith("timestamp"):
            name = self.micros.format(name)
        elif kind == "double":
            name = f"cast(floor({name} * {SCALE} + 0.5) as bigint)"
        return f"coalesce(cast({name} as {self.whole}), chr({ord(NULL)}))"

    def hash(self, columns):
        """A number of a row's content. Columns: (name, kind) in the order of the table."""
        texts = ", ".join(self.text(name, kind) for name, kind in columns)
        return self.number.format(f"substr(md5(concat_ws(chr({ord(BETWEEN)}), {texts})), 1, {HASH_DIGITS})")

    def exported(self, column, kind):
        """A column as it is written to a file: times in microseconds."""
        name = self.name(column)
        if kind.startswith("timestamp"):
            return f"{self.micros.format(name)} as {name}"
        return f"cast({name} as {self.whole}) as {name}" if kind == "date" else name

    def summarise(self, run, source, hashed):
        """Partitions, duplicates and the sum of the hashes of a relation with partition, offset and hash."""
        p, o = self.name("partition"), self.name("offset")
        partitions = run(
            f"select {p}, sum(times), count(*), min({o}), max({o}), sum({o} * times) from "
            f"(select {p}, {o}, count(*) as times from {source} group by {p}, {o}) as named group by {p}"
        )
        duplicates = run(
            f"select {p}, {o}, count(*) from {source} group by {p}, {o} having count(*) > 1 "
            f"order by {p}, {o} limit {DUPLICATES_MAX}"
        )
        total = run(f"select sum(hash) from {source}")[0][0] if hashed else None
        rows = [tuple(int(value) for value in row) for row in partitions]
        return rows, duplicates, None if not hashed else str(int(total or 0))
