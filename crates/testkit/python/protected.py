"""What psycopg 3 gets of protected columns, as JSON: `protected.py PORT USER PASSWORD DATABASE`."""

import json
import sys

import psycopg

port, user, password, database = sys.argv[1:]
dsn = {"host": "127.0.0.1", "port": port, "user": user, "password": password, "dbname": database}
told = {}


def shown(rows):
    return [[value if isinstance(value, (int, str, type(None))) else repr(value) for value in row] for row in rows]


with psycopg.connect(**dsn, sslmode="disable", autocommit=True) as connection:
    query = "select id, ssn, salary, born, notes, photo, nicknames, upper(ssn) from hr.people where id = %s"
    told["text"] = shown(connection.execute(query, [1]).fetchall())
    told["binary"] = shown(connection.execute(query, [1], binary=True).fetchall())
    told["prepared"] = shown(connection.execute(query, [1], binary=True, prepare=True).fetchall())
    told["again"] = shown(connection.execute(query, [2], binary=True, prepare=True).fetchall())
    with connection.transaction(), connection.cursor("by_name") as cursor:
        cursor.execute("select id, ssn || '' from hr.people order by id")
        told["cursor"] = shown(cursor.fetchmany(1) + cursor.fetchall())
    # The path is changed in the batch in which it counts.
    connection.execute("create table public.people (id int, ssn text)")
    connection.execute("select ssn from people", prepare=True)
    try:
        with connection.pipeline():
            connection.execute("set search_path = hr")
            rows = connection.execute("select ssn from people order by id", prepare=True)
            told["pipeline"] = shown(rows.fetchall())
    except psycopg.Error as error:
        told["pipeline"] = error.diag.message_primary
    connection.execute("set search_path = hr")
    told["path"] = shown(connection.execute("select ssn from people order by id limit 1", prepare=True).fetchall())
    try:
        connection.execute("insert into hr.people select * from hr.people where id = 1")
    except psycopg.Error as error:
        told["error"] = [error.sqlstate, error.diag.message_primary, error.diag.message_detail is None]
    try:
        connection.execute("select * from hr.peopel")
    except psycopg.Error as error:
        told["mistake"] = error.diag.message_primary
    try:
        connection.execute("update hr.people set name = ssn")
    except psycopg.Error as error:
        told["kept"] = [error.sqlstate, error.diag.message_primary]
    try:
        connection.execute("select id from hr.people where ssn like 'z%'").fetchall()
    except psycopg.Error as error:
        told["inferred"] = error.diag.message_primary
    told["unknown"] = shown(connection.execute("select hr.pay_of(1), public.shout(name) from hr.people where id = 1"))

print(json.dumps(told))
