#!/bin/sh
# The first process of a sandbox node: what a machine's boot finds ready and a container does not; then systemd.
set -eu

# Pods' volumes are mounted below here and must be seen by the containers that run in the node.
mount --make-rshared /

for path in /sys /proc/sys /sys/fs/cgroup /sys/fs/cgroup/*; do
    if mountpoint -q "$path"; then mount -o remount,bind,rw "$path"; fi
done

# Below kernel, vm, fs and dev nearly every sysctl is the host's own. The node gets a copy to read and write, with the
# few that are namespaced or alive bound through; /proc/sys/net belongs to the node anyway.
copy=/run/a1-sandbox/sysctls
mkdir -p "$copy"
for area in kernel vm fs dev; do
    cp --recursive --one-file-system "/proc/sys/$area" "$copy/" 2>/dev/null || true
done
for live in kernel/random kernel/pty kernel/hostname kernel/domainname kernel/ns_last_pid kernel/sem \
    kernel/shm* kernel/msg* fs/mqueue fs/file-nr fs/inode-nr fs/inode-state fs/dentry-state; do
    for path in /proc/sys/$live; do
        if [ -e "$path" ]; then mount --bind "$path" "$copy/${path#/proc/sys/}"; fi
    done
done
for area in kernel vm fs dev; do
    if [ -d "$copy/$area" ]; then mount --rbind "$copy/$area" "/proc/sys/$area"; fi
done

# A write to it would act on the host.
if [ -e /proc/sysrq-trigger ]; then mount --bind /dev/null /proc/sysrq-trigger; fi

exec /lib/systemd/systemd
