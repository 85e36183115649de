"""What psycopg 3 and asyncpg get where policies have statements rewritten, as JSON: `rewritten.py PORT USER PASSWORD DATABASE`."""

import asyncio
import json
import sys

import asyncpg
import psycopg

port, user, password, database = sys.argv[1:]
LINES = "select n from lines where n >= {} order by n"


def refused(run):
    """The code and the text of the error that there must be."""
    try:
        run()
    except psycopg.Error as error:
        return [error.sqlstate, error.diag.message_primary]
    return None


def with_psycopg():
    told, notices = {}, []
    dsn = {"host": "127.0.0.1", "port": int(port), "user": user, "password": password, "dbname": database}
    with psycopg.connect(**dsn, sslmode="disable", autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        rows = lambda *args, **how: [row[0] for row in connection.execute(*args, **how).fetchall()]
        told["text"] = rows(LINES.format("%s"), [5])
        told["binary"] = rows(LINES.format("%s"), [5], binary=True)
        told["prepared"] = [rows(LINES.format("%s"), [n], prepare=True) for n in (1, 98)]
        told["limited"] = rows(LINES.format("%s") + " limit %s", [5, 50])
        told["status"] = connection.execute(LINES.format("%s"), [5]).statusmessage
        told["reads"] = rows("select quiet(%s)", [1])
        told["writes"] = refused(lambda: connection.execute("select noted(%s)", [1]))
        told["again"] = rows("select quiet(%s)", [2], prepare=True)
        # After it, the connection writes as before.
        told["count"] = connection.execute("insert into lines values (%s, 'x')", [1000]).rowcount
        with connection.transaction():
            told["inside"] = [rows("select quiet(%s)", [3]), rows("select quiet(%s)", [4])]
        with connection.pipeline():
            first = connection.execute(LINES.format("%s"), [5])
            second = connection.execute("select quiet(%s)", [5])
            told["pipeline"] = [[row[0] for row in first.fetchall()], second.fetchone()[0]]
        told["own"] = rows("select count(*) from pg_prepared_statements where name like 'VIDIMUS%%' and quiet(%s) = 6", [6])
    told["notices"] = notices
    return told


async def with_asyncpg():
    told = {}
    connection = await asyncpg.connect(
        host="127.0.0.1", port=int(port), user=user, password=password, database=database, ssl=False
    )
    warned = []
    connection.add_log_listener(lambda _, message: warned.append(str(message)))
    told["all"] = [row["n"] for row in await connection.fetch(LINES.format("$1"), 5)]
    async with connection.transaction():
        # Pages of four by a portal of a name.
        told["pages"] = [row["n"] async for row in connection.cursor(LINES.format("$1"), 5, prefetch=4)]
    async with connection.transaction():
        cursor = await connection.cursor(LINES.format("$1"), 5)
        told["fetched"] = [[row["n"] for row in await cursor.fetch(count)] for count in (4, 4, 4)]
    told["reads"] = await connection.fetchval("select quiet($1)", 1)
    try:
        await connection.fetchval("select noted($1)", 1)
    except asyncpg.PostgresError as error:
        told["writes"] = [error.sqlstate, str(error)]
    told["after"] = await connection.fetchval("select quiet($1)", 2)
    told["warned"] = warned
    await connection.close()
    return told


print(json.dumps({"psycopg": with_psycopg(), "asyncpg": asyncio.run(with_asyncpg())}))
