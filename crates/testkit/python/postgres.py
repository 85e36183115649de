"""What psycopg 3 and asyncpg get of a database, as JSON: `postgres.py DRIVER PORT USER PASSWORD DATABASE`."""

import asyncio
import json
import sys

import asyncpg
import psycopg


def with_psycopg(port, user, password, database):
    """Text and binary results, prepared statements, a pipeline, COPY, an error in a transaction."""
    told = {}
    dsn = {"host": "127.0.0.1", "port": port, "user": user, "password": password, "dbname": database}
    with psycopg.connect(**dsn, sslmode="disable", autocommit=True) as connection:
        query = "select id, email, age from people where id >= %s order by id"
        told["text"] = connection.execute(query, [1], prepare=True).fetchall()
        told["binary"] = connection.execute(query, [1], binary=True, prepare=True).fetchall()
        with connection.pipeline():
            first = connection.execute("select 1 + %s", [1])
            second = connection.execute("select name from people where id = %s", [2])
            told["pipeline"] = [first.fetchone()[0], second.fetchone()[0]]
        with connection.pipeline():
            # More than all buffers hold, both ways: whoever waits for the other to read waits for ever.
            large = [connection.execute("select %s || 'y'", ["x" * 200_000]) for _ in range(100)]
            told["large"] = sum(len(cursor.fetchone()[0]) for cursor in large)
        try:
            with connection.transaction():
                connection.execute("insert into lines values (1, 'x')")
                connection.execute("drop table lines")
        except psycopg.errors.InsufficientPrivilege as error:
            told["refused"] = error.diag.message_primary
        with connection.cursor() as cursor:
            with cursor.copy("copy lines from stdin") as copy:
                for row in [(7, "seven"), (8, "eight@example.com")]:
                    copy.write_row(row)
            with cursor.copy("copy lines to stdout") as copy:
                told["copied"] = [list(row) for row in copy.rows()]
        with connection.transaction():
            with connection.cursor("by_name") as cursor:
                cursor.execute("select email from people order by id")
                told["cursor"] = [row[0] for row in cursor.fetchmany(1) + cursor.fetchall()]
    return told


async def with_asyncpg(port, user, password, database):
    """Prepared statements, whose results are binary; many values; an error, after which the connection goes on."""
    told = {}
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user=user, password=password, database=database, ssl=False
    )
    rows = await connection.fetch("select id, email, age, note from people where id >= $1 order by id", 1)
    told["binary"] = [list(row.values()) for row in rows]
    await connection.executemany("insert into lines values ($1, $2)", [(n, f"line {n}") for n in range(100)])
    told["count"] = await connection.fetchval("select count(*) from lines where n = any($1::int[])", [1, 2, 3])
    try:
        await connection.execute("drop table lines")
    except asyncpg.InsufficientPrivilegeError as error:
        told["refused"] = str(error)
    async with connection.transaction():
        told["cursor"] = [row["email"] async for row in connection.cursor("select email from people order by id")]
    told["after"] = await connection.fetchval("select 1")
    await connection.close()
    return told


if __name__ == "__main__":
    driver, port, user, password, database = sys.argv[1:]
    if driver == "psycopg":
        print(json.dumps(with_psycopg(int(port), user, password, database)))
    else:
        print(json.dumps(asyncio.run(with_asyncpg(int(port), user, password, database))))
