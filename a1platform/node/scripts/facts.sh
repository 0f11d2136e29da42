# Facts of a host as key=value lines. Bash, read-only, needs nothing that a bare distribution lacks.
export LC_ALL=C
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

other_kubernetes() {
    local path
    for path in /etc/kubernetes/kubelet.conf /var/lib/k0s /etc/rancher/rke2 /var/snap/microk8s /var/lib/kubelet/kubeadm-flags.env; do
        [ -e "$path" ] && printf '%s ' "$path"
    done
    for path in /etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service; do
        [ -e "$path" ] && ! grep -qi a1platform "$path" && printf '%s ' "$path"
    done
    true
}

listening() {
    { ss -Hltn 2>/dev/null || true; } | awk '{ print $4 }' | sed 's/.*://' | sort -nu | tr '\n' ' '
}

ours() { # our own K3s holds its ports
    grep -qis a1platform /etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service && echo yes || echo no
}

folder=/var/lib
printf 'kernel_name=%s\n' "$(uname -s)"
printf 'kernel_release=%s\n' "$(uname -r)"
printf 'machine=%s\n' "$(uname -m)"
printf 'distribution=%s\n' "$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}")"
printf 'vcpus=%s\n' "$(nproc)"
printf 'memory_mib=%s\n' "$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)"
printf 'disk_mib=%s\n' "$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')"
printf 'systemd=%s\n' "$([ -d /run/systemd/system ] && echo yes || echo no)"
printf 'clock_synchronised=%s\n' "$(timedatectl show -p NTPSynchronized --value 2>/dev/null || echo unknown)"
printf 'sudo=%s\n' "$([ "$(id -u)" = 0 ] && echo yes || echo no)"
printf 'other_kubernetes=%s\n' "$(other_kubernetes)"
printf 'k3s_is_ours=%s\n' "$(ours)"
printf 'listening=%s\n' "$(listening)"
