"""What is done to a hardened host, and how the audit calls it or a person takes it away."""

_CERTIFICATE = "/var/lib/rancher/k3s/server/tls/server-ca.crt"
# What is done to the host, and how the audit calls it.
TAMPER = {
    "sysctl": ("sysctl -w net.ipv4.conf.all.accept_redirects=1", "sysctl net.ipv4.conf.all.accept_redirects"),
    "sysctl of an interface": (
        "sysctl -w net.ipv4.conf.eth0.send_redirects=1",
        "sysctl net.ipv4.conf.eth0.send_redirects",
    ),
    "sysctl file": ("rm /etc/sysctl.d/99a1-sysctl.conf", "sysctl /etc/sysctl.d/99a1-sysctl.conf"),
    "login": ("sed -i s/^UMASK.*/UMASK\\ 000/ /etc/login.defs", "login UMASK"),
    "updates": ("systemctl disable --now apt-daily-upgrade.timer", "updates apt-daily-upgrade.timer"),
    "updates' service": (
        "systemctl mask apt-daily-upgrade.service",
        "updates apt-daily-upgrade.service",
    ),
    "integrity": ("systemctl disable --now a1-integrity.timer", "integrity a1-integrity.timer"),
    "sshd": (
        "sed -i /^Password/s/no/yes/ /etc/ssh/sshd_config.d/00-a1.conf && systemctl reload ssh",
        "sshd PasswordAuthentication",
    ),
    "firewall": ("nft insert rule inet a1 input accept", "firewall table inet a1"),
    "firewall gone": ("nft delete table inet a1", "firewall table inet a1"),
    "firewall at boot": ("systemctl disable a1-firewall", "firewall at boot"),
    "firewall's rules at boot": ("echo >> /etc/a1/firewall-confirmed.nft", "firewall at boot"),
    "updates' lists": (
        'echo "#clear Unattended-Upgrade::Package-Blacklist;" >> /etc/apt/apt.conf.d/52a1-security-updates',
        "updates lists",
    ),
}
TAMPER_K3S_MODES = {
    "binary": ("chmod 777 /usr/local/bin/k3s", "k3s binary's mode"),
    "file": (f"chmod 644 {_CERTIFICATE}", f"k3s {_CERTIFICATE}"),
}
TAMPER_K3S = {
    "configuration": ("sed -i /max-pods/d /etc/rancher/k3s/config.yaml", "k3s /etc/rancher/k3s/config.yaml"),
    "override": (
        "mkdir /etc/rancher/k3s/config.yaml.d && echo debug: true > /etc/rancher/k3s/config.yaml.d/x.yaml",
        "k3s override /etc/rancher/k3s/config.yaml.d/x.yaml",
    ),
    "images": ("rm /var/lib/rancher/k3s/agent/images/*", "k3s images"),
    "images' content": (
        "for file in /var/lib/rancher/k3s/agent/images/*; do echo more >> $file; done",
        "k3s images",
    ),
    "binary": ("echo more >> /usr/local/bin/k3s", "k3s binary"),
    "service": ("systemctl disable --now k3s", "k3s service"),
}
_RUNTIME = "/run/systemd/system"
TAMPER_K3S["override until the next boot"] = (
    f"mkdir -p {_RUNTIME}/k3s.service.d && echo [Service] > {_RUNTIME}/k3s.service.d/x.conf",
    f"k3s override {_RUNTIME}/k3s.service.d/x.conf",
)
LAST = "/etc/ssh/sshd_config.d/99-x.conf"
_OPTION = "PasswordAuthentication=yes"
_RELOAD = "systemctl daemon-reload && systemctl restart ssh"
# What wins over the files of sshd, and how a person takes it away.
TAMPER_SSHD = {
    "options": (
        f"sed -i s/^SSHD_OPTS=.*/SSHD_OPTS=-o{_OPTION}/ /etc/default/ssh",
        "sed -i s/^SSHD_OPTS=.*/SSHD_OPTS=/ /etc/default/ssh",
    ),
    "drop-in": (
        (
            f'mkdir -p {_RUNTIME}/ssh.service.d && printf "%s\\n" "[Service]" ExecStart= '
            f'"ExecStart=/usr/sbin/sshd -D -o {_OPTION}" > {_RUNTIME}/ssh.service.d/x.conf && {_RELOAD}'
        ),
        f"rm -r {_RUNTIME}/ssh.service.d && {_RELOAD}",
    ),
    "match all": (
        f'printf "%s\\n" "Match all" "PasswordAuthentication yes" > {LAST} && systemctl reload ssh',
        f"rm {LAST} && systemctl reload ssh",
    ),
}
