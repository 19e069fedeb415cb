"""Reads DIR/{pairs,flows,messages,empty}.parquet with MODULE and compares types and every value with DIR/want.json."""
import base64, datetime, json, sys

module, dir = sys.argv[1:]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def read(name):
    """Returns ({column: type as text}, rows as dicts)."""
    path = f"{dir}/{name}.parquet"
    if module == "duckdb":
        import duckdb
        con = duckdb.connect()
        con.execute("set TimeZone='UTC'")
        con.execute(f"create view v as select * from '{path}'")
        types = {r[0]: r[1] for r in con.execute("describe v").fetchall()}
        cur = con.execute("select * from v")
        names = [d[0] for d in cur.description]
        rows = [dict(zip(names, r)) for r in cur.fetchall()]
        if name == "pairs":
            host = "api.example.com"
            want = sum(1 for r in rows if r["request"] and r["request"]["host"] == host)
            got = con.execute(f"select count(*) from v where request.host = '{host}'").fetchone()[0]
            assert got == want > 0, (got, want)
            some = rows[-1]
            got = con.execute("select request.path from v where id = ?", [some["id"]]).fetchall()
            assert (some["request"]["path"],) in got, got
            assert con.execute("select count(*) from v where id = 'absent'").fetchone()[0] == 0
            mtimes = con.execute("select max(request.time) from v where response.status = 200").fetchone()[0]
            assert mtimes.year == 2023, mtimes
        return types, rows
    if module == "pyarrow":
        import pyarrow.parquet as pq
        t = pq.read_table(path, page_checksum_verification=True)
        pq.ParquetFile(path).metadata.row_group  # the footer parses
        return {f.name: str(f.type) for f in t.schema}, t.to_pylist()
    import polars
    t = polars.read_parquet(path)
    return {k: str(v) for k, v in t.schema.items()}, t.to_dicts()


def same(at, want, got):
    if isinstance(want, dict) and list(want) == ["base64"]:
        want = base64.b64decode(want["base64"])
        assert isinstance(got, (bytes, bytearray)) and bytes(got) == want, (at, got, want)
    elif isinstance(want, dict) and list(want) == ["us"]:
        try:
            want = EPOCH + datetime.timedelta(microseconds=want["us"])
        except OverflowError:
            return
        assert got == want and got.utcoffset() == datetime.timedelta(0), (at, got, want)
    elif isinstance(want, dict):
        assert isinstance(got, dict) and set(got) == set(want), (at, got, want)
        for k in want:
            same(f"{at}.{k}", want[k], got[k])
    elif isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want), (at, got, want)
        for i, (w, g) in enumerate(zip(want, got)):
            same(f"{at}[{i}]", w, g)
    else:
        assert type(got) is type(want) and got == want, (at, got, want)


wants = json.load(open(f"{dir}/want.json"))
for name in ("pairs", "flows", "messages"):
    types, rows = read(name)
    want = wants[name.capitalize()]
    assert len(rows) == len(want), (len(rows), len(want))
    for i, (w, g) in enumerate(zip(want, rows)):
        same(f"{name}[{i}]", w, g)
types, rows = read("empty")
assert rows == []
if module == "duckdb":
    assert types["id"] == "VARCHAR" and types["ordinal"] == "INTEGER" and types["latency_ns"] == "BIGINT", types
    assert types["anomalies"] == "VARCHAR[]" and types["vlans"] == "INTEGER[]", types
    assert "body BLOB" in types["request"] and "head BLOB" in types["request"], types["request"]
    assert '"time" TIMESTAMP WITH TIME ZONE' in types["request"], types["request"]
    assert "decrypted BOOLEAN" in types["tls"], types["tls"]
elif module == "pyarrow":
    assert "time: timestamp[us, tz=UTC]" in types["request"] and "body: binary" in types["request"], types["request"]
else:
    assert "'time': Datetime(time_unit='us', time_zone='UTC')" in types["request"] and "'body': Binary" in types["request"], types["request"]
print("ok")
