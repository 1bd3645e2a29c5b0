"""Which files are secrets: by the shipped list, by what is in them, as the site says."""

from __future__ import annotations

import pytest

from haoscar_pxe.capture.files.secret_defaults import DEFAULTS
from haoscar_pxe.capture.files.secrets import SecretRules, Secrets

SHIPPED = Secrets(SecretRules())
KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"
HASH = b"root:$y$j9T$5Gnx3q2bXvbVYtQy0zj7h1$abc:19700:0:99999:7:::\n"


@pytest.mark.parametrize(
    "path",
    [
        *("etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-", "etc/security/opasswd"),
        *("etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_ed25519_key", "etc/munge/munge.key"),
        *("etc/slurm/slurmdbd.conf", "etc/slurm-llnl/slurmdbd.conf", "etc/slurm/jwt_hs256.key"),
        *("var/spool/slurm/statesave/jwt_hs256.key", "etc/krb5.keytab", "srv/nfs/http.keytab"),
        *("etc/NetworkManager/system-connections/ib0.nmconnection", "root/.ssh/id_ed25519"),
        *("home/group/anna/.ssh/id_rsa", "root/.bash_history", "home/a/.mysql_history"),
        *("home/a/.psql_history", "home/a/.netrc", "home/a/.pgpass", "root/.my.cnf"),
        *("etc/wpa_supplicant/wpa_supplicant.conf", "etc/ssl/private/head.key"),
        *("etc/pki/tls/private/localhost.key", "etc/letsencrypt/archive/head/privkey1.pem"),
        *("etc/wireguard/wg0.conf", "etc/ipsec.secrets", "etc/sssd/sssd.conf", "etc/ldap.secret"),
        *("etc/nslcd.conf", "etc/ppp/chap-secrets", "var/lib/systemd/random-seed", ".k5.SITE"),
        *(
            "var/lib/krb5kdc/stash",
            "etc/warewulf/nodes.conf",
            "etc/xcat/cfgloc",
            "root/.kube/config",
        ),
        *("etc/kubernetes/admin.conf", "root/.docker/config.json", "etc/luks-keys/data", "a.p12"),
        *("etc/cryptsetup-keys.d/home.key", "var/lib/etcd/member/snap/db", "etc/corosync/authkey"),
        *("var/lib/samba/private/secrets.tdb", "etc/mysql/debian.cnf", "etc/rndc.key"),
        *(
            "etc/bareos/bareos-dir.d/x.conf",
            "var/lib/ldap/data.mdb",
            "etc/ceph/ceph.client.keyring",
        ),
    ],
)
def test_shipped_list_has(path: str) -> None:
    assert SHIPPED.is_path(path.encode())
    assert SHIPPED.reason(path.encode()) in {reason for reason, _ in DEFAULTS}


@pytest.mark.parametrize(
    "path",
    [
        *("etc/passwd", "etc/group", "etc/ssh/ssh_host_rsa_key.pub", "etc/ssh/sshd_config"),
        *(
            "root/.ssh/authorized_keys",
            "root/.ssh/known_hosts",
            "etc/fstab",
            "etc/slurm/slurm.conf",
        ),
        *("srv/etc/shadow", "usr/share/doc/shadow", "etc/sudoers", "etc/ssl/certs/a.pem"),
        *("home/a/keytab", "etc/hosts", "boot/vmlinuz", "etc/network/interfaces"),
    ],
)
def test_shipped_list_has_not(path: str) -> None:
    assert not SHIPPED.is_path(path.encode())


@pytest.mark.parametrize(
    "content",
    [
        KEY,
        b"cert\n-----BEGIN RSA PRIVATE KEY-----\r\nMIIE",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ",
        b'{"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIE"}',
        b"key: |\n  -----BEGIN EC PRIVATE KEY-----\n  MHc",
        HASH,
        b"# users\nanna:$apr1$x8Nq0Hp6$FvbPz3\n",
        b"locked:!$6$saltsalt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4\n",
    ],
)
def test_key_or_hash_makes_a_file_a_secret_under_any_name(content: bytes) -> None:
    assert SHIPPED.is_content(b"srv/notes", [b"first", content])


@pytest.mark.parametrize(
    "content",
    [
        b'if line == "-----BEGIN PRIVATE KEY-----":\n',
        b"-----BEGIN PUBLIC KEY-----\nMIIB",
        b"-----BEGIN CERTIFICATE-----\nMIIB",
        b"PATH=/bin:$PATH:$HOME/bin\n",
        b"\x7fELF\0" + KEY,
        b"root:x:0:0:root:/root:/bin/bash\n",
        b"root:*:19700:0:99999:7:::\n",
        b"",
    ],
)
def test_what_only_looks_like_a_secret_is_none(content: bytes) -> None:
    assert not SHIPPED.is_content(b"srv/notes", [content])


def test_programs_are_not_searched_for_hashes() -> None:
    assert not SHIPPED.is_content(b"usr/share/doc/crypt/examples", [HASH])
    assert SHIPPED.is_content(b"usr/share/doc/ssl/key.pem", [KEY])


def test_site_adds_and_takes_away() -> None:
    rules = SecretRules(add=("/srv/lab/**", "*.secret", "conf/?.txt"), remove=("/etc/netplan/*",))
    secrets = Secrets(rules)
    for path in (b"srv/lab/a/b", b"srv/lab/a", b"opt/x.secret", b"opt/conf/a.txt"):
        assert secrets.is_path(path)
        assert secrets.reason(path) == "the configuration says so"
    for path in (b"etc/netplan/50.yaml", b"srv/laboratory", b"opt/conf/ab.txt", b"opt/x.secret/a"):
        assert not secrets.is_path(path)
    assert not secrets.is_content(b"etc/netplan/50.yaml", [KEY])


def test_site_may_turn_off_looking_into_files() -> None:
    secrets = Secrets(SecretRules(by_content=False))
    assert not secrets.is_content(b"srv/notes", [KEY])
    assert secrets.is_path(b"etc/shadow")


def test_every_shipped_glob_can_match() -> None:
    """A glob that matches nothing protects nothing: each is made into a path that it must match."""
    for _, globs in DEFAULTS:
        for glob in globs:
            path = glob.replace("**", "x/y").replace("*", "x").replace("?", "x").lstrip("/")
            assert SHIPPED.is_path(path.encode()), glob


def test_other_rules_have_another_id() -> None:
    ids = {SecretRules().id, SecretRules(add=("a",)).id, SecretRules(remove=("a",)).id}
    assert len(ids) == 3
