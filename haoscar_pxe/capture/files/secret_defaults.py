"""Which files of a cluster's head are secrets by their path: the list that ships, with reasons.

As `secrets.py` reads globs: one that begins with "/" is the whole path, any other the end of a
path at any depth. docs/secrets.md shows the list; the configuration adds to it and takes from it.
"""

from __future__ import annotations

from typing import Final

DEFAULTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "password hashes",
        (
            *("/etc/shadow*", "/etc/gshadow*", "/etc/security/opasswd*", "/etc/master.passwd"),
            *("/var/backups/shadow*", "/var/backups/gshadow*", ".htpasswd*", "/etc/nginx/*passwd*"),
            *("/var/lib/AccountsService/users/*", "/etc/dhcp/omapi.key", "/etc/vsftpd/*.db"),
        ),
    ),
    ("host keys of sshd", ("/etc/ssh/ssh_host_*_key", "/etc/dropbear/dropbear_*_host_key")),
    (
        "keys and passwords of a user",
        (
            *("/root/.ssh/id_*", ".ssh/id_*", ".ssh/*.pem", ".ssh/*.key", ".shosts"),
            *(".netrc", ".pgpass", ".my.cnf", ".mylogin.cnf", ".git-credentials", ".ldaprc"),
            *(
                ".smbcredentials",
                ".s3cfg",
                ".boto",
                ".fetchmailrc",
                ".msmtprc",
                ".muttrc",
                ".vault-token",
            ),
            *(".aws/credentials", ".config/rclone/rclone.conf", ".config/gh/hosts.yml", ".npmrc"),
            *(
                ".pypirc",
                ".docker/config.json",
                ".dockercfg",
                "containers/auth.json",
                ".kube/config",
            ),
            *(".gnupg/private-keys-v1.d/*", ".gnupg/secring.gpg", ".config/gcloud/**", ".azure/**"),
            *(".local/share/keyrings/*", ".ansible_vault*", ".vault_pass*", ".vnc/passwd"),
        ),
    ),
    (
        "what a user typed",
        (
            *(".bash_history", ".zsh_history", ".zhistory", ".histfile", ".sh_history", ".history"),
            *(
                ".mysql_history",
                ".mariadb_history",
                ".psql_history",
                ".sqlite_history",
                ".rediscli_history",
            ),
            *(".python_history", ".node_repl_history", ".mongo/.dbshell", ".lesshst", ".viminfo"),
            "fish/fish_history",
        ),
    ),
    ("keys of this program", ("/etc/haoscar-pxe/*.key", "/etc/haoscar-pxe/keys/**.key")),
    (
        "keys of the batch system",
        (
            *(
                "/etc/munge/*.key",
                "/etc/slurm*/slurmdbd.conf*",
                "/etc/slurm*/*.key",
                "jwt_hs256.key",
            ),
            *(
                "/usr/local/etc/slurmdbd.conf",
                "slurm.key",
                "slurm.jwks",
                "jwks.json",
                "statesave*/jwt*.key",
            ),
            *(
                "/var/spool/slurm*/*.key",
                "/var/spool/slurm*/*/*.key",
                "/var/spool/pbs/server_priv/**",
            ),
            *("/etc/openpbs/**/*.key", "/var/lib/sge/**/private/*", "/etc/lsf.sudoers"),
        ),
    ),
    (
        "Kerberos keys",
        (
            *("*.keytab", "/etc/krb5.keytab*", "/var/lib/krb5kdc/**", "/var/kerberos/krb5kdc/**"),
            *(
                "/etc/krb5kdc/**",
                ".k5.*",
                "/var/lib/heimdal-kdc/**",
                "/tmp/krb5cc_*",
                "/var/tmp/krb5*",
            ),
        ),
    ),
    (
        "TLS keys",
        (
            *("/etc/ssl/private/**", "/etc/pki/tls/private/**", "/etc/pki/*/private/**"),
            *("/etc/letsencrypt/archive/*/privkey*", "/etc/letsencrypt/accounts/**"),
            *("/etc/letsencrypt/keys/*", "/var/lib/acme/**/key.pem", "/etc/pki/nssdb/key*.db"),
            *("/etc/pki/ca-trust/**/private/*", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk"),
        ),
    ),
    (
        "network and VPN secrets",
        (
            *("/etc/NetworkManager/system-connections/*", "/etc/netplan/*", "/etc/wpa_supplicant*"),
            *(
                "/etc/wpa_supplicant/**",
                "/etc/sysconfig/network-scripts/keys-*",
                "/etc/wireguard/**",
            ),
            *("/etc/ppp/*-secrets", "/etc/ipsec.secrets", "/etc/ipsec.d/private/**"),
            *("/etc/ipsec.d/*.secrets", "/etc/swanctl/private/**", "/etc/swanctl/**/*secrets*"),
            *("/etc/openvpn/**/*.key", "/etc/tinc/**/*.priv", "/etc/iwd/**", "/var/lib/iwd/**"),
            *("/etc/bind/*.key", "/etc/rndc.key", "/etc/named/*.key", "/var/named/**/*.private"),
            *("/etc/chrony*/*keys*", "/etc/chrony.keys", "/etc/ntp.keys", "/etc/ntp/keys"),
            *("/etc/snmp/snmpd.conf", "/var/lib/snmp/**", "/var/lib/net-snmp/**"),
            *("/etc/raddb/**", "/etc/freeradius/**"),
        ),
    ),
    (
        "directory and login services",
        (
            *("/etc/ldap.secret", "/etc/*ldap*.secret", "/etc/nslcd.conf", "/etc/pam_ldap.conf"),
            *("/etc/libnss-ldap.*", "/etc/ldap/slapd.d/**", "/etc/openldap/slapd.d/**"),
            *("/etc/ldap/slapd.conf", "/etc/openldap/slapd.conf", "/var/lib/ldap/**"),
            *("/var/lib/dirsrv/**", "/etc/dirsrv/**/*pin.txt", "/etc/dirsrv/**/pwdfile.txt"),
            *("/etc/sssd/**", "/var/lib/sss/db/**", "/var/lib/sss/secrets/**", "/etc/ipa/**/*.key"),
            *(
                "/var/lib/ipa/**/private/**",
                "/var/lib/samba/private/**",
                "/etc/samba/*credentials*",
            ),
            *("/var/lib/samba/*.tdb", "/etc/samba/smbpasswd", "/etc/cifs*credentials*"),
            *("/etc/yp.secret", "/etc/google_authenticator*", ".google_authenticator"),
        ),
    ),
    (
        "passwords of databases",
        (
            *("/etc/mysql/debian.cnf", "/var/lib/mysql/mysql/global_priv.*"),
            *("/var/lib/mysql/mysql/user.*", "/var/lib/mysql/*.pem", "/var/lib/mysql/*/*-key.pem"),
            *("/var/lib/postgresql/*/*/global/1260*", "/var/lib/pgsql/**/global/1260*"),
            *(
                "/etc/redis/redis.conf",
                "/etc/redis/users.acl",
                "/etc/redis.conf",
                "/etc/pgbouncer/userlist.txt",
            ),
            *("/etc/mongo*.key", "/var/lib/grafana/grafana.db", "/etc/grafana/grafana.ini"),
            *("/etc/rabbitmq/**", "/var/lib/rabbitmq/.erlang.cookie", ".erlang.cookie"),
        ),
    ),
    (
        "secrets of containers and their managers",
        (
            *("/etc/kubernetes/*.conf", "/etc/kubernetes/pki/**", "/var/lib/kubelet/pki/**"),
            *(
                "/var/lib/etcd/**",
                "/etc/etcd/**/*.key",
                "/etc/rancher/**",
                "/var/lib/rancher/**/tls/**",
            ),
            *(
                "/etc/docker/key.json",
                "/var/lib/docker/swarm/**",
                "/etc/vault*/**",
                "/etc/consul*/**",
            ),
        ),
    ),
    (
        "secrets of cluster managers and installers",
        (
            *("/etc/warewulf/**/*.key", "/etc/warewulf/nodes.conf", "/etc/warewulf/auth.conf"),
            *("/etc/xcat/**", "/root/.xcat/**", ".xcat/**", "/install/postscripts/_ssh/**"),
            *("/install/postscripts/ca/**", "/etc/confluent/private/**", "/etc/confluent/cfg/**"),
            *("/etc/cobbler/users*", "/etc/cobbler/settings*", "/etc/ipmi*", "/etc/freeipmi/*"),
            *("/etc/powerman/**", "/etc/conman.conf", "/etc/stonith*", "/etc/fence*/**"),
            *("/etc/corosync/authkey", "/etc/pacemaker/authkey", "/etc/booth/authkey"),
            *("/var/lib/pcsd/**", "/var/lib/heartbeat/**/authkeys", "/etc/ha.d/authkeys"),
            *("/etc/drbd.d/*secret*", "/etc/salt/pki/**", "/etc/puppet*/**/private_keys/*"),
            *(
                "/etc/chef/*.pem",
                "/etc/beegfs/*auth*",
                "/etc/beegfs/conn.auth",
                "/etc/ceph/*keyring*",
            ),
            *(
                "/var/lib/ceph/**/keyring",
                "/var/mmfs/ssl/**",
                "/etc/lustre/**/*.key",
                "/etc/iscsi/iscsid.conf",
            ),
            *("/etc/iscsi/nodes/**", "/etc/tgt/**", "/etc/target/**", "/etc/glusterfs/*.key"),
        ),
    ),
    (
        "keys of disks and of the machine",
        (
            *("/etc/luks*/**", "/etc/cryptsetup-keys.d/**", "/etc/cryptsetup-initramfs/**"),
            *(
                "/etc/keys/**",
                "/root/*.keyfile",
                "/boot/*.keyfile",
                "/crypto_keyfile.bin",
                "/etc/zfs/*.key",
            ),
            *("/etc/credstore*/**", "/var/lib/systemd/credential.secret", "/etc/tpm*/**"),
            *(
                "/var/lib/tpm*/**",
                "/var/lib/swtpm*/**",
                "/var/lib/dkms/mok.key",
                "/var/lib/shim-signed/mok/MOK.priv",
            ),
            *("/etc/pki/akmods/private/**", "/root/.mok/**"),
        ),
    ),
    (
        "state of random numbers",
        ("/var/lib/systemd/random-seed", "/var/lib/random-seed", "/var/lib/urandom/random-seed"),
    ),
    (
        "passwords in configuration files",
        (
            *(
                "/etc/postfix/sasl*",
                "/etc/postfix/*passwd*",
                "/etc/exim4/passwd.client",
                "/etc/msmtprc",
            ),
            *(
                "/etc/ssmtp/*",
                "/etc/fetchmailrc",
                "/etc/davfs2/secrets",
                "/etc/autofs_ldap_auth.conf",
            ),
            *(
                "/etc/auto*credentials*",
                "/etc/ddclient.conf",
                "/etc/apt/auth.conf*",
                "/etc/apt/auth.conf.d/*",
            ),
            *(
                "/etc/rhsm/**",
                "/etc/pki/entitlement/*",
                "/etc/pki/consumer/*",
                "/etc/yum.repos.d/*.secret",
            ),
            *(
                "/etc/zabbix/*.psk",
                "/etc/icinga2/**/*.key",
                "/etc/nagios/private/**",
                "/etc/bacula/*.conf",
            ),
            *(
                "/etc/bareos/**",
                "/etc/amanda/**/*pass*",
                "/etc/rsyncd.secrets",
                "/etc/borg*/**",
                "/etc/restic*/**",
            ),
            *(
                "/etc/cups/subscriptions.conf*",
                "/etc/cups/ssl/*.key",
                "/etc/jupyterhub/**",
                "/etc/ood/**",
            ),
            *(
                "/srv/jupyterhub/*secret*",
                "jupyterhub_cookie_secret",
                "/etc/oidc*/**",
                "/etc/shibboleth/*key.pem",
            ),
        ),
    ),
    (
        "memory of processes",
        ("/var/lib/systemd/coredump/*", "/var/crash/**", "/var/lib/apport/coredump/*"),
    ),
)
