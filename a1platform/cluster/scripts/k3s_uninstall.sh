# Takes K3s off a node: processes, mounts, interfaces, rules, files. Stands alone: the host itself keeps it.
# shellcheck shell=bash
# A host may have no iptables of its own, and K3s brings some.
PATH="$PATH:/var/lib/rancher/k3s/data/current/bin:/var/lib/rancher/k3s/data/current/bin/aux"
# Else its etcd member stays and counts against the quorum (k3s#4865); the last server has none to tell.
if [ -n "${a1_leaving:-}" ] && systemctl is-active --quiet k3s; then
    KUBECACHEDIR=/run/k3s/kubectl timeout 60 /usr/local/bin/k3s kubectl delete node "$a1_leaving" --ignore-not-found --timeout=50s >/dev/null || true
fi
systemctl disable --quiet --now k3s 2>/dev/null || true
# Killed by the cgroup, as pods outlive the service (KillMode=process), then what has left its cgroup.
systemctl kill --signal=KILL --kill-who=all k3s 2>/dev/null || true
for process in /proc/[0-9]*; do
    case "$(tr '\0' ' ' 2>/dev/null <"$process/cmdline" || true)" in
    /var/lib/rancher/k3s/data/*/bin/containerd-shim*)
        shim=${process#/proc/}
        # shellcheck disable=SC2046 # a list of numbers
        kill -9 "$shim" $(ps -eo pid=,ppid= | awk -v shim="$shim" '
            { parent[$1] = $2 }
            END { for (pid in parent) for (up = parent[pid]; up > 1; up = parent[up]) if (up == shim) { print pid; break } }
        ') 2>/dev/null || true
        ;;
    esac
done
# The kubelet made them, and nobody else ends them before the host starts anew.
systemctl stop 'kubepods*.slice' 2>/dev/null || true
for mount in /run/k3s /var/lib/rancher/k3s /var/lib/kubelet/pods /var/lib/kubelet/plugins /run/netns/cni-; do
    awk -v below="$mount" 'index($2, below) == 1 && $2 != "/var/lib/rancher/k3s" { print $2 }' /proc/self/mounts |
        sort -r | while read -r path; do umount -l -- "$path" 2>/dev/null || true; done
done
for space in /run/netns/cni-*; do
    if [ -e "$space" ]; then ip netns delete "$(basename "$space")" 2>/dev/null || rm -f -- "$space"; fi
done
ip -o link show master cni0 2>/dev/null | awk -F': ' '{ sub("@.*", "", $2); print $2 }' |
    while read -r link; do ip link delete "$link" 2>/dev/null || true; done || true
for link in cni0 flannel.1 flannel-v6.1 flannel-wg flannel-wg-v6 kube-ipvs0; do
    ip link delete "$link" 2>/dev/null || true
done
# One transaction per table, ours only: saving and restoring the whole table corrupts the rules of others (k3s#8793).
for family in iptables ip6tables; do
    command -v "$family-save" >/dev/null || continue
    for table in filter nat mangle raw; do
        "$family-save" -t "$table" 2>/dev/null | awk -v table="$table" '
            /^:(KUBE-|CNI-|FLANNEL-)/ { chain = substr($1, 2); flush = flush "-F " chain "\n"; drop = drop "-X " chain "\n" }
            /^-A (KUBE-|CNI-|FLANNEL-)/ { next }
            /^-A .*(KUBE-|CNI-|FLANNEL-|flanneld)/ { sub("^-A", "-D"); rules = rules $0 "\n" }
            END { if (flush rules drop != "") printf "*%s\n%s%s%sCOMMIT\n", table, flush, rules, drop }
        ' | "$family-restore" --noflush 2>/dev/null || true
    done
done
if command -v ipset >/dev/null; then
    ipset list -name 2>/dev/null | grep -E '^(inet6:)?KUBE-' | while read -r set; do ipset destroy "$set" || true; done ||
        true # grep finds none
fi
# The binary that a failed upgrade gave its place back: the record of the upload knows the newer one, and leaves it.
if [ -f /usr/local/bin/k3s ] && cmp -s /var/lib/a1/k3s/last-good/%usr%local%bin%k3s /usr/local/bin/k3s &&
    ! grep -qs "^$(sha256sum </usr/local/bin/k3s | cut -d' ' -f1) /usr/local/bin/k3s\$" /var/lib/a1/uploads/*/files; then
    rm -f -- /usr/local/bin/k3s
fi
for name in kubectl crictl ctr; do
    if [ "$(readlink "/usr/local/bin/$name")" = k3s ]; then rm -f -- "/usr/local/bin/$name"; fi
done
for folder in /etc/rancher /run/k3s /run/flannel /var/lib/rancher /var/lib/kubelet /var/lib/cni /var/lib/a1/k3s \
    /var/log/pods /var/log/containers; do
    [ -e "$folder" ] || continue
    # What other resources have put there, they take away themselves: a run that is cut between here and there
    # would leave them in the state and not on the host. A folder that is a mount of its own stays, empty.
    find "$folder" -xdev -mindepth 1 ! -type d ! -path '/var/lib/rancher/k3s/agent/images/*' \
        ! -path /etc/rancher/k3s/token -delete || true
    find "$folder" -xdev -depth -type d -empty -delete 2>/dev/null || true
done
