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

k3s_data() { # what K3s would adopt and its uninstall delete, unless a record of ours says that it came from us
    local path
    for path in /var/lib/a1/host-changes/*/ /var/lib/a1/uploads/*/; do
        [ -d "$path" ] && return
    done
    # Folders alone are nobody's data: a disk that is mounted there for K3s has some.
    for path in /etc/rancher /var/lib/rancher /var/lib/kubelet /usr/local/bin/k3s; do
        [ -n "$(find "$path" ! -type d -print -quit 2>/dev/null)" ] && printf '%s ' "$path"
    done
    true
}

listening() { # an option of ss, a pattern of local addresses
    { ss -Hln "$1" 2>/dev/null || true; } | awk '{ print $4 }' | { grep -E "$2" || true; } | sed 's/.*://' |
        sort -nu | tr '\n' ' '
}

k3s_runs() { # a K3s that starts again and again holds its ports at times
    case "$(systemctl show k3s --property ActiveState --value 2>/dev/null)" in
    active | activating | deactivating | reloading) echo yes ;;
    *) echo no ;;
    esac
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
printf 'k3s_data=%s\n' "$(k3s_data)"
printf 'k3s_is_ours=%s\n' "$(ours)"
printf 'k3s_runs=%s\n' "$(k3s_runs)"
printf 'other_firewalls=%s\n' "$(a1_other_firewalls)"
printf 'listening=%s\n' "$(listening -t .)"
printf 'listening_local=%s\n' "$(listening -t '^(127\.0\.0\.1|0\.0\.0\.0|\*|\[::\]|\[::ffff:127\.0\.0\.1\]):')"
printf 'listening_udp=%s\n' "$(listening -u .)"
