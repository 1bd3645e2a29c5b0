"""The hooks of docs/capture.md, each against Debian's own service: dumped, lost, restored."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

import haoscar_pxe
from tests.lab.throwaway_root import in_throwaway
from tests.needed import need

pytestmark = pytest.mark.lab

DOCUMENT = Path(haoscar_pxe.__file__).parents[1] / "docs/capture.md"
ROW = re.compile(r"\| ([^|`]+) \| `(\[\[[^`]+\]\])` \| `([^`]+)` \|")
WAIT = 'wait_for() { for i in $(seq 100); do "$@" >/run/waited 2>&1 && return; sleep 0.2; done; '
WAIT += "cat /run/waited >&2; exit 1; }\n"
FACT = "forty-two"
"""What a service is told before its hook runs, and asked after it was restored."""


@dataclass(frozen=True, slots=True)
class Service:
    """How to try one service. lines: a shell script; HOOK and RESTORE in it are the documented."""

    packages: tuple[str, ...]
    lines: str


SERVICES = {
    "MariaDB, slurmdbd": Service(
        ("mariadb-server",),
        f"""
install -d -o mysql /run/mysqld
mariadbd --user=mysql --skip-networking >/run/log 2>&1 &
wait_for mariadb -e 'select 1'
mariadb -e "create database slurm_acct_db; use slurm_acct_db;
    create table jobs (what text) engine=InnoDB; insert into jobs values ('{FACT}')"
HOOK
mariadb -e 'drop database slurm_acct_db'
RESTORE
mariadb -N -e 'select what from slurm_acct_db.jobs'
mariadb-admin shutdown
""",
    ),
    "PostgreSQL": Service(
        ("postgresql",),
        f"""
pg_lsclusters -h | grep -q . || pg_createcluster 15 main
pg_ctlcluster "$(pg_lsclusters -h | cut -c1-2)" main start
ask() {{ runuser -u postgres -- psql -q -t "$@"; }}
ask -c 'create database accounts'
ask -d accounts -c "create table jobs (what text); insert into jobs values ('{FACT}')"
HOOK
ask -c 'drop database accounts'
RESTORE >/run/log 2>&1
ask -d accounts -c 'select what from jobs'
pg_ctlcluster "$(pg_lsclusters -h | cut -c1-2)" main stop
""",
    ),
    "OpenLDAP": Service(
        ("slapd", "ldap-utils"),
        f"""
start() {{ slapd -h ldapi:/// -u openldap -g openldap -F /etc/ldap/slapd.d; }}
install -d -o openldap /run/slapd
base=$(slapcat -n 1 | sed -n 's/^dn: //p' | head -1)
printf 'dn: ou=jobs,%s\\nobjectClass: organizationalUnit\\nou: jobs\\ndescription: {FACT}\\n' \
    "$base" >/run/fact
runuser -u openldap -- slapadd -n 1 -l /run/fact
start
HOOK
grep -q olcDatabase /var/backups/ldap-config.ldif
kill "$(cat /run/slapd/slapd.pid)"; wait_for test ! -e /run/slapd/slapd.pid
rm /var/lib/ldap/*
RESTORE
start
wait_for ldapsearch -LLL -x -H ldapi:/// -b "$base" ou=jobs description
cat /run/waited
kill "$(cat /run/slapd/slapd.pid)"
""",
    ),
    "etcd": Service(
        ("etcd-server", "etcd-client"),
        f"""
start() {{ etcd --data-dir /var/lib/etcd/default >/run/log 2>&1 & }}
start
wait_for etcdctl put fact {FACT}
HOOK
kill $!; wait || :
rm -r /var/lib/etcd/default
RESTORE
start
wait_for etcdctl get fact
cat /run/waited
kill $!
""",
    ),
}


def documented() -> dict[str, tuple[list[list[str]], str]]:
    """By the service's name: its before-hooks, and the command that restores."""
    rows = [row.groups() for row in ROW.finditer(DOCUMENT.read_text())]
    return {name: (tomllib.loads(f"hooks = {hooks}")["hooks"], then) for name, hooks, then in rows}


def test_every_documented_hook_is_tried() -> None:
    assert set(documented()) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_what_was_dumped_by_the_documented_hook_is_restored(name: str, tmp_path: Path) -> None:
    need("apt-get", "unshare", "mount")
    hooks, restore = documented()[name]
    service = SERVICES[name]
    dump = "\n".join(shlex.join(hook) for hook in hooks)
    script = WAIT + service.lines.replace("HOOK", dump).replace("RESTORE", restore)
    assert FACT in in_throwaway(tmp_path, service.packages, script)
