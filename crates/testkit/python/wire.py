"""What a client that speaks the protocol itself gets of protected columns, as JSON: `wire.py PORT USER PASSWORD DATABASE direct|gateway`.

Each of the ways was found to get values out of the server past a gateway that takes names, cursors, batches or transactions
otherwise than the server does. What a way tells is every value and every error's text that came.
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import sys
import time

port, user, password, database, place = sys.argv[1:]


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def text(value):
    return value.encode() + b"\0"


def query(sql):
    return message(b"Q", text(sql))


def parse(name, sql):
    return message(b"P", text(name) + text(sql) + b"\0\0")


def bind(portal, name):
    return message(b"B", text(portal) + text(name) + bytes(6))


def execute(portal, rows=0):
    return message(b"E", text(portal) + struct.pack("!i", rows))


def close(kind, name):
    return message(b"C", kind + text(name))


SYNC, FLUSH = message(b"S"), message(b"H")


class Connection:
    def __init__(self):
        self.told = []
        self.socket = socket.create_connection(("127.0.0.1", int(port)), 60)
        if place == "direct":
            self.socket.sendall(struct.pack("!ii", 8, 80877103))
            assert self.socket.recv(1) == b"S"
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        body = struct.pack("!i", 196608) + text("user") + text(user) + text("database") + text(database) + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.stream = self.socket.makefile("rb")
        kind, body = self.receive()
        if struct.unpack("!i", body[:4])[0] == 10:
            self.prove()
        else:
            self.socket.sendall(message(b"p", text(password)))
        self.until(b"Z")

    def prove(self):
        """SCRAM-SHA-256 (RFC 5802), as the server asks for it."""
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n=,r={nonce}"
        first = ("n,," + bare).encode()
        self.socket.sendall(message(b"p", text("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first))
        challenge = self.receive()[1][4:].decode()
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={parts['r']}"
        said = f"{bare},{challenge},{last}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        self.socket.sendall(message(b"p", f"{last},p={proof}".encode()))

    def receive(self):
        head = self.stream.read(5)
        if len(head) < 5:
            raise EOFError
        return head[:1], self.stream.read(struct.unpack("!i", head[1:])[0] - 4)

    def until(self, *kinds):
        while True:
            kind, body = self.receive()
            if kind in b"DE":
                self.told.append(body.decode("utf-8", "replace"))
            if kind in kinds:
                return kind

    def send(self, *messages, until=(b"Z",)):
        self.socket.sendall(b"".join(messages))
        return self.until(*until)

    def each(self, *statements):
        for statement in statements:
            self.send(query(statement))


def cut_names(to):
    name = "n" * 63
    to.send(parse(name + "a", "select name from hr.people"), SYNC)
    to.send(close(b"S", name + "b"), SYNC)
    to.send(parse(name + "b", "select ssn || '' from hr.people"), SYNC)
    to.send(bind("", name + "a"), execute(""), SYNC)


def prepared_declare(to):
    to.each("begin", "declare c cursor for select name from hr.people", "close c")
    to.send(parse("", "declare c cursor for select ssn || '' from hr.people"), SYNC)
    to.send(bind("", ""), execute(""), SYNC)
    to.each("fetch all from c")


def portal_as_cursor(to):
    to.each("begin", "declare c cursor for select name from hr.people", "close c")
    to.send(parse("s1", "select ssn || '' from hr.people"), bind("c", "s1"), SYNC)
    to.each("fetch all from c")


def prepared_prepare(to):
    to.each("prepare q as select name from hr.people", "deallocate q")
    to.send(parse("", "prepare q as select ssn || '' from hr.people"), SYNC)
    to.send(bind("", ""), execute(""), SYNC)
    to.each("execute q")


def between_flush_and_sync(to):
    to.each("set search_path = hr")
    to.send(
        parse("", "create temporary table people (id int, name text, ssn text) on commit drop"),
        bind("", ""),
        execute(""),
        FLUSH,
        until=(b"C", b"E"),
    )
    to.send(SYNC)
    to.each("select ssn || '' from people")


def after_a_rollback(to):
    to.each("create table public.kept (v text)")
    to.send(parse("i", "insert into public.kept select ssn from hr.people"), parse("r", "rollback"), SYNC)
    to.each("begin", "create table public.kept (v text)")
    to.send(bind("", "r"), execute(""), bind("", "i"), execute(""), SYNC)
    to.each("select v from public.kept")


def cursor_that_sets_the_path(to):
    to.each("set search_path = hr, pg_temp, public", "create temporary table people (id int, name text, ssn text)")
    to.each("set search_path = pg_temp, hr", "begin")
    to.each("declare d cursor for select set_config('search_path', 'hr, pg_temp', false)", "fetch d")
    to.each("select ssn || '' from people")


def another_session(to):
    other = Connection()
    other.each("create schema a", "create table a.people (id int, name text, ssn text)")
    to.each("set search_path = a, hr", "begin isolation level repeatable read", "select 1")
    other.each("drop table a.people")
    to.each("select ssn || '' from people")
    to.each("rollback", "select ssn || '' from people", "select 'went on'")


def executed_by_sql(to):
    """What a message has prepared is run by SQL, cursors and names among it."""
    to.each("begin", "declare c cursor for select name from hr.people", "close c")
    to.send(parse("s2", "declare c cursor for select ssn || '' from hr.people"), SYNC)
    to.each("execute s2", "fetch all from c")


def dropped_by_sql(to):
    other = Connection()
    other.each("create schema b", "create table b.people (id int, name text, ssn text)")
    to.each("set search_path = b, hr", "select ssn || '' from people")
    other.send(parse("d", "drop table b.people"), SYNC)
    other.each("execute d")
    to.each("select ssn || '' from people")


def in_flight(to):
    """Another session changes names, and does not read what it is told of that."""
    other = Connection()
    other.each("create schema e", "create table e.people (id int, name text, ssn text)")
    to.each("set search_path = e, hr", "select ssn || '' from people")
    slow = "select repeat('x', 1000) from generate_series(1, 4000)"
    wait = "select count(*) from generate_series(1, 4000000)"
    other.socket.sendall(query(slow) + query(wait) + query("drop table e.people"))
    if place == "direct":
        # The server itself waits for those who do not read.
        for _ in range(3):
            other.until(b"Z")
        other.told.clear()
    for _ in range(3):
        time.sleep(0.5)
        to.each("select ssn || '' from people")


PEOPLE = "people (id int, name text, ssn text)"


def planned_before(to):
    """A plan is kept, though a table hides the one that it reads."""
    to.each("create schema f", "set search_path = f, hr")
    to.send(parse("s4", "select ssn || '' from people"), SYNC)
    to.each(f"create table f.{PEOPLE}")
    to.send(bind("", "s4"), execute(""), SYNC)


def planned_before_by_sql(to):
    to.each("create schema g", "set search_path = g, hr", "prepare q4 as select ssn || '' from people")
    to.each(f"create table g.{PEOPLE}", "execute q4")


def bound_before(to):
    other = Connection()
    to.each("create schema h", "set search_path = h, hr", "begin")
    to.send(parse("s5", "select ssn || '' from people"), bind("p5", "s5"), SYNC)
    other.each(f"create table h.{PEOPLE}")
    to.send(execute("p5"), SYNC)


def a_rollback_and_more(to):
    to.each("begin", "create table nosuch.t (i int)", "rollback; create table public.held as select ssn from hr.people")
    to.each("select ssn from public.held")


def not_committed_yet(to):
    other = Connection()
    other.each("create schema i", f"create table i.{PEOPLE}")
    to.each("set search_path = i, hr", "select ssn || '' from people")
    other.send(parse("", "drop table i.people"), bind("", ""), execute(""), FLUSH, until=(b"C", b"E"))
    to.socket.sendall(query("select ssn || '' from people"))
    time.sleep(1)
    other.send(SYNC)
    to.until(b"Z")


def behind_a_slow_one(to):
    other = Connection()
    other.each("create schema j", f"create table j.{PEOPLE}")
    to.each("set search_path = j, hr", "select ssn || '' from people")
    to.socket.sendall(query("select pg_sleep(2)") + query("select ssn || '' from people"))
    time.sleep(0.5)
    other.each("drop table j.people")
    to.until(b"Z")
    to.until(b"Z")


def in_an_open_batch(to):
    other = Connection()
    other.each("create schema k", f"create table k.{PEOPLE}")
    to.each("set search_path = k, hr", "select ssn || '' from people")
    to.send(parse("o", "select 1"), bind("", "o"), execute(""), FLUSH, until=(b"C", b"E"))
    other.each("drop table k.people")
    to.send(parse("", "select ssn || '' from people"), bind("", ""), execute(""), SYNC)


def gone_and_back(to):
    """For a moment nothing is protected."""
    to.each("begin", "drop table hr.people cascade", "select 1", "rollback", "select ssn || '' from hr.people")


def by_column_notation(to):
    inner = "select to_tsvector(''simple'', ssn) from hr.people"
    to.each(f"select ('{inner}'::text).ts_stat", f"select treat('{inner}' as ts_stat)")
    to.each(f"select t.ts_stat from unnest(array['{inner}'::text]) t")
    to.each(f"select btrim.ts_stat from trim('{inner}')", f"select text.ts_stat from cast('{inner}' as text)")
    to.each(f"select unnest.ts_stat from rows from (unnest(array['{inner}'::text]))")
    to.each(f"select \"as\".ts_stat from unnest(array['{inner}'::text]) \"as\"")
    path = "select to_tsvector(set_config(''search_path'', ''hr'', false))"
    to.each("set search_path = public", f"select btrim.ts_stat from trim('{path}')", "select ssn || '' from people")


WAYS = [
    cut_names,
    prepared_declare,
    portal_as_cursor,
    prepared_prepare,
    between_flush_and_sync,
    after_a_rollback,
    cursor_that_sets_the_path,
    another_session,
    executed_by_sql,
    dropped_by_sql,
    in_flight,
    by_column_notation,
    planned_before,
    planned_before_by_sql,
    bound_before,
    a_rollback_and_more,
    not_committed_yet,
    behind_a_slow_one,
    in_an_open_batch,
    gone_and_back,
]


def unnamed_statements(to):
    """No way out: what the gateway asks in between takes no statement or portal away."""
    to.send(parse("", "select name from hr.people where id = 1"), SYNC)
    to.send(parse("p", "reset search_path"), bind("", "p"), execute(""), SYNC)
    to.send(bind("", ""), execute(""), SYNC)


told = {}
for way in [*WAYS, unnamed_statements]:
    connection = Connection()
    try:
        way(connection)
    except (EOFError, OSError) as error:
        connection.told.append(f"ended: {error!r}")
    told[way.__name__] = connection.told
print(json.dumps(told))
